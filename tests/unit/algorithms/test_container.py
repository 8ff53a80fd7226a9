"""The training container: configuration in, exit code and failure file out."""

import json
import os
import signal
import subprocess
import sys

import pytest

from sagebrush.algorithms.container import available_threads, train_main

CSV = {"ContentType": "text/csv", "TrainingInputMode": "File"}


@pytest.fixture
def train(trivial, container_root):
    """Trains on the rows 1, 2, 3; returns the exit code, the failure text and the root."""

    def run(hyperparameters=None, channels=None, **configs):
        channels = {"train": CSV} if channels is None else channels
        root = container_root({"add": "4"} | (hyperparameters or {}), channels, **configs)
        if "train" in channels:
            (root / "input/data/train/a.csv").write_text("1,2,3")
        code = train_main(trivial, root)
        failure = root / "output" / "failure"
        return code, failure.read_text() if failure.exists() else "", root

    return run


def test_a_model_is_trained_and_the_log_printed(train, capsys, monkeypatch):
    monkeypatch.setenv("SM_NUM_CPUS", "3")
    code, failure, root = train(
        resourceconfig={"current_host": "algo-1", "hosts": ["algo-1"]},
        checkpointconfig={"LocalPath": "/opt/ml/checkpoints"},
    )
    assert (code, failure) == (0, "")
    assert json.loads((root / "model/sum.json").read_text()) == {
        "total": 10,
        "hosts": ["algo-1"],
        "host": "algo-1",
        "checkpoints": str(root / "checkpoints"),
        "threads": 3,
    }
    output = capsys.readouterr().out
    assert "Final configuration: {'add': '4'}" in output
    assert "#quality_metric: host=algo-1, train sum <loss>=10" in output


def test_values_that_are_no_strings_are_taken_as_json(train):
    assert train({"add": 7})[0] == 0


def test_the_users_mistakes_are_client_errors(train, capsys):
    code, failure, _ = train({"fail": "client"})
    assert (code, failure) == (2, "ClientError: row 3 of train/a.csv is bad")
    output = capsys.readouterr().out
    assert "ERROR" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        ("algorithm", "AlgorithmError: the sum does not converge"),
        ("defect", "AlgorithmError: ZeroDivisionError: division by zero"),
        ("memory", "AlgorithmError: Out of memory"),
    ],
)
def test_our_own_faults_leave_a_traceback_in_the_log_only(train, capsys, fail, message):
    code, failure, _ = train({"fail": fail})
    assert code == 1
    assert failure.startswith(message)
    assert "Traceback" not in failure
    assert "Traceback" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"add": "x"}, "The value 'x' is not valid for the 'add' hyperparameter"),
        ({"zz": "1"}, "'zz' was unexpected"),
        ({"fail": "x"}, "'x' is not one of"),
    ],
)
def test_bad_hyperparameters_fail_the_job(train, hyperparameters, message):
    code, failure, _ = train(hyperparameters)
    assert code == 2
    assert failure.startswith("ClientError: ")
    assert message in failure


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({}, "'train' is a required property"),
        ({"train": CSV, "validation": CSV}, "('validation' was unexpected)"),
        (
            {"train": CSV | {"ContentType": "image/png"}},
            "No iterator has been registered for ContentType ('image/png', '1.0')",
        ),
        ({"train": CSV | {"TrainingInputMode": "FastFile"}}, "'FastFile' is not one of"),
        (
            {"train": CSV, "test": CSV | {"S3DistributionType": "ShardedByS3Key"}},
            "'ShardedByS3Key' is not one of ['FullyReplicated']",
        ),
    ],
)
def test_bad_channels_fail_the_job(train, channels, message):
    code, failure, _ = train(channels=channels)
    assert code == 2
    assert failure.startswith(
        ("ClientError: Unable to initialize the algorithm.", "ClientError: No")
    )
    assert message in failure


def test_content_types_may_carry_parameters(train):
    assert train(channels={"train": {"ContentType": "Text/CSV;label_size=0"}})[0] == 0


def test_more_hosts_than_the_algorithm_can_use_fail_the_job(train):
    hosts = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    code, failure, _ = train(resourceconfig=hosts)
    assert code == 2
    assert "does not support distributed training" in failure


def test_a_damaged_configuration_file_is_named(train, container_root):
    code, failure, _ = train(resourceconfig=[1])
    assert (code, failure) == (2, "ClientError: resourceconfig.json must hold a JSON object")


@pytest.mark.parametrize("fail", ["wait", "pipe"])
def test_sigterm_ends_training_in_order(container_root, fail):
    mode = CSV | {"TrainingInputMode": "Pipe" if fail == "pipe" else "File"}
    root = container_root({"add": "4", "fail": fail}, {"train": mode})
    (root / "input/data/train/a.csv").write_text("1,2,3")
    code = (
        "import sys, sagebrush.algorithms as a; from pathlib import Path;"
        "from tests.unit.algorithms.trivial_algorithm import CARD;"
        "a._cards = lambda: {'trivial': CARD};"
        "from sagebrush.algorithms.container import train_main;"
        "sys.exit(train_main('trivial', Path(sys.argv[1])))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    awaited = "waiting" if fail == "wait" else "Final configuration"
    while awaited not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not (root / "output/failure").exists()
    assert (root / "model/sum.json").exists() == (fail == "wait")


def test_threads_are_what_the_platform_grants():
    assert available_threads({"SM_NUM_CPUS": "5", "OMP_NUM_THREADS": "2"}) == 5
    assert available_threads({"OMP_NUM_THREADS": "2"}) == 2
    assert 1 <= available_threads({"OMP_NUM_THREADS": "many"}) <= (os.cpu_count() or 1)
