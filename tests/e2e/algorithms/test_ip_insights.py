"""IP Insights through `sagemaker.IPInsights` of the SDK v2, and by image URI through boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "programs" / "ip_insights_v2.py"


@pytest.fixture(scope="module")
def answer(run_program: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_program("sdk-v2", str(PROGRAM))
    return found


def test_a_record_set_of_csv_trains_and_is_validated(answer: dict[str, Any]) -> None:
    assert answer["status"] == "Completed"
    assert set(answer["metrics"]) == {
        "train:progress",
        "train:throughput",
        "train:binary_classification_accuracy",
        "train:binary_classification_accuracy:epoch",
        "train:binary_classification_cross_entropy",
        "train:binary_classification_cross_entropy:epoch",
        "validation:discriminator_auc",
    }
    assert answer["metrics"]["validation:discriminator_auc"] > 0.99
    assert answer["metrics"]["train:progress"] == 100


def test_the_endpoint_tells_homes_from_other_networks(answer: dict[str, Any]) -> None:
    assert answer["area"] > 0.99
    assert answer["unknown"] == [0.0]


def test_verbose_answers_carry_the_vectors(answer: dict[str, Any]) -> None:
    assert answer["verbose"] == [[16, 16], [16, 16]]
    for product, expected in answer["products"]:
        assert product == pytest.approx(expected)


def test_a_request_without_an_address_is_a_client_error(answer: dict[str, Any]) -> None:
    status, message = answer["refused"]
    assert status == 400
    assert "row 1 has '30.4.1.256', which is not an IPv4 address" in message


def test_two_instances_and_json_lines(answer: dict[str, Any]) -> None:
    assert answer["two_instances"] == "Completed"
    assert answer["answered"] == 1000
    assert answer["jsonlines_area"] > 0.99


def test_rates_that_generate_nothing_fail_the_job(answer: dict[str, Any]) -> None:
    assert answer["failure"].startswith("ClientError: ")
    assert "'random_negative_sampling_rate'" in answer["failure"]
    assert "must be between 1 and 500" in answer["failure"]
