# ruff: noqa: E501 (messages stand on one line, as the user sees them)
"""The whole container: configuration files in, artefact or failure file out."""

import json

import numpy as np
import pytest
import xgboost

from sagebrush.algorithms.container import train_main


@pytest.fixture
def container(tmp_path, make_data, csv_text):
    """A function that writes a job's files below a root and runs it; gives its exit code."""

    def run(hyperparameters: dict, channels: dict | None = None, rows: str | None = None) -> int:
        features, labels = make_data()
        config = tmp_path / "input" / "config"
        config.mkdir(parents=True)
        default = {"train": {"ContentType": "text/csv", "TrainingInputMode": "File"}}
        for name, content in {
            "hyperparameters": hyperparameters,
            "inputdataconfig": default if channels is None else channels,
            "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
        }.items():
            (config / f"{name}.json").write_text(json.dumps(content))
        folder = tmp_path / "input" / "data" / "train"
        folder.mkdir(parents=True)
        (folder / "data.csv").write_text(csv_text(labels, features) if rows is None else rows)
        return train_main("xgboost", tmp_path)

    return run


def test_a_job_leaves_a_model_that_plain_xgboost_loads(container, tmp_path, make_data, capsys):
    assert container({"num_round": "5", "objective": "binary:logistic"}) == 0
    output = capsys.readouterr().out
    assert "[4]\ttrain-logloss:" in output
    booster = xgboost.Booster(
        model_file=bytearray((tmp_path / "model" / "xgboost-model").read_bytes())
    )
    features, labels = make_data()
    probabilities = booster.predict(xgboost.DMatrix(features))
    assert np.mean((probabilities > 0.5) == labels) > 0.95
    assert not (tmp_path / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("hyperparameters", "channels", "rows", "message"),
    [
        ({}, None, None, "ClientError: Missing required hyperparameter: num_round"),
        (
            {"num_round": "1", "eta": "9"},
            None,
            None,
            "ClientError: Hyperparameter eta: 9.0 is not in [0, 1]",
        ),
        ({"num_round": "1"}, {}, None, "ClientError: Missing required channel: train"),
        (
            {"num_round": "1"},
            {"train": {"ContentType": "text/csv"}, "model": {"ContentType": "text/csv"}},
            None,
            "ClientError: Extraneous channel found: model",
        ),
        (
            {"num_round": "1"},
            {"train": {"ContentType": "image/png"}},
            None,
            "ClientError: Channel configuration for 'train' channel is not supported: {'ContentType': 'image/png'}",
        ),
        (
            {"num_round": "1"},
            None,
            "1,2\n2,x\n",
            "ClientError: Unable to read row 2 of train/data.csv: column 2 holds 'x', which is not a number.",
        ),
    ],
)
def test_a_failed_job_says_why(container, tmp_path, hyperparameters, channels, rows, message):
    assert container(hyperparameters, channels, rows) == 2
    assert (tmp_path / "output" / "failure").read_text() == message
