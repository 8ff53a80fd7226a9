"""LDA through `sagemaker.LDA` of the SDK v2, and by its image's URI."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from sagebrush.algorithms.formats.mxnet import decode_arrays

PROGRAMS = Path(__file__).parent / "programs"


def test_the_estimator_class_finds_topics_and_mixtures(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "lda_v2.py"))
    assert answer["status"] == "Completed"
    alpha, beta = decode_arrays(base64.b64decode(answer["model"]))
    np.testing.assert_allclose(alpha.sum(), 1.0, rtol=1e-5)
    topics = np.array(answer["topics"])
    distances = np.abs(topics[:, None] - beta[None]).sum(axis=2)
    rows, order = linear_sum_assignment(distances)
    assert distances[rows, order].mean() < 0.03
    found, mixtures = np.array(answer["found"])[:, order], np.array(answer["mixtures"])
    assert found.shape == (200, 5)
    assert np.abs(found - mixtures).sum(axis=1).mean() < 0.1
    assert (found == 0).mean() > 0.2
    # Guessing among 25 words is -3.2; knowing the one topic of a document, among 5, is -1.6.
    assert -2.6 < answer["metrics"]["test:pwll"] < -1.8


def test_sparse_records_through_a_pipe_and_sparse_json(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "lda_boto3.py"))
    assert answer["status"] == "Completed"
    sparse, dense = np.array(answer["sparse"]), np.array(answer["dense"])
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)
    assert (sparse.max(axis=1) > 0.9).all()
    groups = {
        (kind, topic) for kind, topic in zip(answer["kinds"], sparse.argmax(axis=1), strict=True)
    }
    assert len(groups) == 3
    assert answer["refused"].startswith("ClientError")
    assert "Pipe mode; LDA reads CSV in File mode only" in answer["refused"]
