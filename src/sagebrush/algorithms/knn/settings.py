"""What k nearest neighbours can be asked for, and which wishes exclude each other."""

from typing import Any

from sagebrush.algorithms.errors import ClientError

PREDICTOR_TYPES = ("classifier", "regressor")
REDUCTION_TYPES = ("sign", "fjlt")
INDEX_TYPES = ("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ")
INDEX_METRICS = ("L2", "INNER_PRODUCT", "COSINE")
PRODUCT_QUANTIZERS = (1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96)

DEFAULT_PROBES = 5


def check_combination(values: dict[str, Any]) -> None:
    """ClientError for hyperparameters that do not go together, by what the developer guide says.

    ``values`` are the parsed hyperparameters by name; a ``feature_dim`` that is "auto" is checked
    by `check_reduction_target` once the width is known.
    """
    _check_reduction(values)
    _check_index(values)
    if values["sample_size"] < values["k"]:
        raise ClientError(
            f"Hyperparameter 'sample_size' is {values['sample_size']}, fewer than the "
            f"{values['k']} neighbours asked for by 'k'."
        )


def check_reduction_target(target: int | None, feature_dim: int) -> None:
    """ClientError unless the target is below the number of features."""
    if target is not None and target >= feature_dim:
        raise ClientError(
            f"Hyperparameter 'dimension_reduction_target' should be less than 'feature_dim', but "
            f"{target} is not less than {feature_dim}."
        )


def _check_reduction(values: dict[str, Any]) -> None:
    kind, target = values["dimension_reduction_type"], values["dimension_reduction_target"]
    if kind is None and target is not None:
        raise ClientError(
            "Hyperparameter 'dimension_reduction_target' should only be set when "
            "'dimension_reduction_type' is set."
        )
    if kind is not None and target is None:
        raise ClientError(
            "Hyperparameter 'dimension_reduction_target' is required when "
            "'dimension_reduction_type' is set."
        )
    if isinstance(values["feature_dim"], int):
        check_reduction_target(target, values["feature_dim"])


def _check_index(values: dict[str, Any]) -> None:
    quantized = values["index_type"] == "faiss.IVFPQ"
    if quantized and values["faiss_index_pq_m"] is None:
        raise ClientError(
            "Hyperparameter 'faiss_index_pq_m' is required when 'index_type' is 'faiss.IVFPQ'."
        )
    if not quantized and values["faiss_index_pq_m"] is not None:
        raise ClientError(
            "Hyperparameter 'faiss_index_pq_m' should only be set when 'index_type' is "
            "'faiss.IVFPQ'."
        )
    if quantized and values["index_metric"] != "L2":
        raise ClientError(
            f"Hyperparameter 'index_metric' is {values['index_metric']!r}, but 'index_type' "
            "'faiss.IVFPQ' supports 'L2' only."
        )
