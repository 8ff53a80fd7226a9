"""Principal component analysis through `sagemaker.PCA` of the SDK v2, and by its image's URI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"


def test_the_estimator_class_finds_the_planted_directions(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "pca_v2.py"))
    assert answer["status"] == "Completed"
    # Projections come in ascending order; the noise adds one to each variance.
    assert answer["variances"] == pytest.approx([17, 37, 82], rel=0.2)
    assert min(answer["correlations"]) > 0.99
    # Twenty-seven directions of noise are left out.
    assert answer["metrics"]["test:reconstruction_loss"] == pytest.approx(27, rel=0.05)
    assert "algo-2" in answer["stdout"]


def test_the_sketch_by_the_image_and_its_artefact(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "pca_boto3.py"))
    assert answer["status"] == "Completed"
    assert answer["shapes"] == {"mean": [1, 200], "v": [200, 2], "s": [2]}
    assert min(answer["cosines"]) > 0.99
    assert answer["values"] == pytest.approx(answer["exact"], rel=0.01)
    assert answer["difference"] < 1e-3
