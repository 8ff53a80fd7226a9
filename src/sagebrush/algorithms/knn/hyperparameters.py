"""The documented hyperparameters of k nearest neighbours: types, ranges, defaults."""

from typing import Any

from sagebrush.algorithms.hyperparameter_fields import Categorical, Integer
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.algorithms.knn.settings import (
    DEFAULT_PROBES,
    INDEX_METRICS,
    INDEX_TYPES,
    PREDICTOR_TYPES,
    PRODUCT_QUANTIZERS,
    REDUCTION_TYPES,
    check_combination,
)


def _quantizers_as_number(values: dict[str, Any]) -> None:
    count = values["faiss_index_pq_m"]
    values["faiss_index_pq_m"] = None if count is None else int(count)


SCHEMA = Schema(
    (
        Integer(
            "feature_dim",
            required=True,
            words=("auto",),
            low=1,
            description="The number of features of a row.",
        ),
        Integer(
            "k",
            required=True,
            low=1,
            tunable=True,
            tune_low=1,
            tune_high=1024,
            description="The number of nearest neighbours.",
        ),
        Categorical(
            "predictor_type",
            required=True,
            choices=PREDICTOR_TYPES,
            description="Whether neighbours vote on a class or their labels are averaged.",
        ),
        Integer(
            "sample_size",
            required=True,
            low=1,
            tunable=True,
            tune_low=256,
            tune_high=20_000_000,
            description="How many rows are drawn from the training data.",
        ),
        Categorical(
            "dimension_reduction_type",
            choices=REDUCTION_TYPES,
            description="How rows are made shorter: by random signs or the fast transform.",
        ),
        Integer(
            "dimension_reduction_target",
            low=1,
            description="The number of features after the reduction, less than feature_dim.",
        ),
        Categorical(
            "index_type",
            default="faiss.Flat",
            choices=INDEX_TYPES,
            description="The kind of index: exhaustive, inverted lists, or those compressed.",
        ),
        Categorical(
            "index_metric",
            default="L2",
            choices=INDEX_METRICS,
            description="What makes rows near: Euclidean distance, inner product or cosine.",
        ),
        Integer(
            "faiss_index_ivf_nlists",
            default="auto",
            words=("auto",),
            low=1,
            description="The number of inverted lists; auto is the root of the sample size.",
        ),
        Categorical(
            "faiss_index_pq_m",
            choices=tuple(map(str, PRODUCT_QUANTIZERS)),
            description="The number of parts of a row that faiss.IVFPQ compresses to a byte each.",
        ),
        Integer("mini_batch_size", default=5000, low=1, description="Rows per mini-batch."),
        Integer(
            "epochs", default=1, low=1, high=1, hidden=True, description="Passes over the data."
        ),
        Integer(
            "_faiss_index_nprobe",
            default=DEFAULT_PROBES,
            low=1,
            hidden=True,
            description="How many inverted lists a search looks into.",
        ),
    ),
    rules=(_quantizers_as_number, check_combination),
)
