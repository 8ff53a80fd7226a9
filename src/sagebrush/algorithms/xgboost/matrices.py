"""Rows to xgboost's data matrix: in memory, or in pages on disk when they do not fit."""

from collections.abc import Generator
from contextlib import closing
from typing import Any

import numpy as np
import xgboost
from scipy import sparse

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch, concatenate
from sagebrush.algorithms.memory import memory_limit_bytes
from sagebrush.algorithms.xgboost.channel_rows import ChannelRows
from sagebrush.algorithms.xgboost.custom_metrics import ALONE
from sagebrush.algorithms.xgboost.failures import loading_failure
from sagebrush.algorithms.xgboost.matrix_options import MatrixOptions
from sagebrush.algorithms.xgboost.paging import Survey, paged_matrix
from sagebrush.algorithms.xgboost.value_pages import require_one_host

_IN_MEMORY_SHARE = 6
"""Raw float32 rows are held twice while they are joined, then xgboost keeps index and value of
each cell and a histogram bin, so the rows may take a sixth of the memory."""


def read_matrix(
    sources: list[ChannelRows],
    options: MatrixOptions,
    like: Any = None,
    hosts: Collective = ALONE,
) -> xgboost.DMatrix | None:
    """All rows of the channels as one matrix; None if there are none.

    Rows that take more memory than `in_memory_rows_bytes` are paged to disk, for which the
    channels are read again. ``like`` is the training matrix whose bins a validation matrix shares.
    ``hosts`` train together: they all page where one does, since xgboost finds bins at different
    times with and without pages, and the hosts would wait for each other without end.
    ClientError for bad data, and for data too large for a tree method that cannot be paged.
    """
    budget_bytes = in_memory_rows_bytes()
    held, survey = _held_or_surveyed(sources, budget_bytes, options, samples=like is None)
    if hosts.any(survey is not None):
        if like is None:
            require_one_host(hosts.size)
        survey = _agreed_survey(held, survey, budget_bytes, options, like, hosts)
        if survey.width == 0:
            return None
        return paged_matrix(
            lambda: _all_batches(sources),
            lambda rows: _information(rows, options.needs_bounds),
            survey,
            options,
            like,
        )
    if not held:
        return None
    rows = _joined(held)
    held.clear()
    return _matrix(rows, options)


def in_memory_rows_bytes() -> int:
    """How many bytes of rows may be held at once before pages on disk are used instead."""
    return memory_limit_bytes() // _IN_MEMORY_SHARE


def _held_or_surveyed(
    sources: list[ChannelRows], budget_bytes: int, options: MatrixOptions, *, samples: bool
) -> tuple[list[Batch], Survey | None]:
    """All batches, or what a survey of them found when they take more than the budget."""
    held: list[Batch] = []
    size_bytes = 0
    survey: Survey | None = None
    # A pipe left open keeps its feeder from the next pass, which would be waited for without end.
    with closing(_all_batches(sources)) as batches:
        for batch in batches:
            if survey is not None:
                survey.add(batch)
            else:
                held.append(batch)
                size_bytes += _size_bytes(batch)
                if size_bytes > budget_bytes:
                    options.require_pageable()
                    survey = _survey(held, Survey(options, budget_bytes // 4, samples=samples))
            if survey is not None and not survey.wants_all:
                break
    return held, survey


def _survey(held: list[Batch], survey: Survey) -> Survey:
    """The survey after the batches held so far, each let go of."""
    while held:
        survey.add(held.pop(0))
    return survey


def _agreed_survey(
    held: list[Batch],
    survey: Survey | None,
    budget_bytes: int,
    options: MatrixOptions,
    like: Any,
    hosts: Collective,
) -> Survey:
    """The survey of this host, with a sample only if each of the hosts has one."""
    if survey is None:
        options.require_pageable()
        survey = _survey(held, Survey(options, budget_bytes // 4, samples=like is None))
    if hosts.any(not survey.has_sample):
        survey.forget_sample()
    return survey


def _all_batches(sources: list[ChannelRows]) -> Generator[Batch, None, None]:
    for source in sources:
        for batch in source.batches():
            if batch.rows:
                yield batch


def _joined(batches: list[Batch]) -> Batch:
    try:
        return concatenate(_alike(batches))
    except ValueError as error:
        raise ClientError(f"The data cannot be joined: {error}.") from error


def _alike(batches: list[Batch]) -> list[Batch]:
    """Rows without a weight weigh 1 when others of the data have one."""
    if all(batch.weights is None for batch in batches):
        return batches
    return [
        batch
        if batch.weights is not None
        else batch._replace(weights=np.ones(batch.rows, np.float32))
        for batch in batches
    ]


def _size_bytes(batch: Batch) -> int:
    features = batch.features
    if sparse.issparse(features):
        return int(features.data.nbytes + features.indices.nbytes + features.indptr.nbytes)
    return int(features.nbytes)


def _matrix(rows: Batch, options: MatrixOptions) -> xgboost.DMatrix:
    features = rows.features
    if sparse.issparse(features) and not features.has_sorted_indices:
        features = features.sorted_indices()
    try:
        return xgboost.DMatrix(
            features, nthread=options.threads, **_information(rows, options.needs_bounds)
        )
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise loading_failure(error) from error


def _information(rows: Batch, needs_bounds: bool) -> dict[str, Any]:
    information: dict[str, Any] = {"label": rows.labels}
    if rows.weights is not None:
        information["weight"] = rows.weights
    if rows.groups is not None:
        information["qid"] = rows.groups
    if needs_bounds:
        # Without censoring the survival time is its own lower and upper bound.
        information["label_lower_bound"] = rows.labels
        information["label_upper_bound"] = rows.labels
    return information
