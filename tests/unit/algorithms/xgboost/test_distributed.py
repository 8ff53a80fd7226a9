"""Hosts are processes on loopback addresses of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost

import sagebrush
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import AlgorithmError, ClientError
from sagebrush.algorithms.xgboost.distributed import distributable, membership
from sagebrush.algorithms.xgboost.failures import loading_failure, training_failure
from sagebrush.algorithms.xgboost.image_versions import ImageVersion

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8"
)


HOST_WITH_SMALL_MEMORY = """
import sys
from sagebrush.algorithms.__main__ import main
from sagebrush.algorithms.xgboost import matrices, paging

matrices.in_memory_rows_bytes = lambda: 100_000
paging.page_bytes = lambda _: 20_000
sys.exit(main(sys.argv[1:]))
"""


def start_host(
    root: Path,
    host: str,
    hosts: list[str],
    rows: str,
    program: str | None = None,
    interpreter: str = sys.executable,
    image_tag: str = "",
    **hyperparameters: str,
):
    config, data = root / "input" / "config", root / "input" / "data" / "train"
    config.mkdir(parents=True)
    data.mkdir(parents=True)
    (data / "part.csv").write_text(rows)
    for name, content in {
        "hyperparameters": hyperparameters,
        "inputdataconfig": {"train": {"ContentType": "text/csv"}},
        "resourceconfig": {"current_host": host, "hosts": hosts},
    }.items():
        (config / f"{name}.json").write_text(json.dumps(content))
    environment = {**os.environ, "TRAINING_JOB_NAME": str(root.parent), "OMP_NUM_THREADS": "1"}
    environment["SAGEBRUSH_IMAGE_TAG"] = image_tag
    if interpreter != sys.executable:
        environment["PYTHONPATH"] = str(Path(sagebrush.__file__).parents[1])
    run = ["-m", "sagebrush.algorithms"] if program is None else ["-c", program]
    command = [interpreter, *run, "train", "xgboost", "--root", root]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_hosts_with_data_train_one_model_together(tmp_path, make_data, csv_text):
    features, labels = make_data(300)
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    lines = csv_text(labels, features).splitlines(keepends=True)
    shares = ["".join(lines[::2]), "", "".join(lines[1::2])]
    processes = [
        start_host(
            tmp_path / host, host, hosts, share, num_round="5", objective="binary:logistic",
            eval_metric="logloss,accuracy",
        )
        for host, share in zip(hosts, shares, strict=True)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    models = [(tmp_path / host / "model" / "xgboost-model") for host in hosts]
    assert [path.exists() for path in models] == [True, False, False]
    assert "[4]\ttrain-logloss:" in outputs[0]
    assert "\ttrain-" not in outputs[1] + outputs[2]
    assert "will not be used in distributed training" in outputs[1]
    together = xgboost.Booster(model_file=bytearray(models[0].read_bytes()))
    matrix = xgboost.DMatrix(features, label=labels)
    alone = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 5)
    agreeing = (together.predict(matrix) > 0.5) == (alone.predict(matrix) > 0.5)
    assert agreeing.mean() > 0.97


@pytest.mark.parametrize("small", [0, 1])
def test_all_hosts_page_where_one_does(tmp_path, make_data, csv_text, small):
    """Else they would find bins at different times and wait for each other without end."""
    features, labels = make_data(20_000, kind="value")
    lines = csv_text(labels, features).splitlines(keepends=True)
    hosts = ["127.0.0.1", "127.0.0.2"]
    processes = [
        start_host(
            tmp_path / host, host, hosts, "".join(lines[rank::2]),
            program=HOST_WITH_SMALL_MEMORY if rank == small else None, num_round="5",
            tree_method="hist",
        )
        for rank, host in enumerate(hosts)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    together = xgboost.Booster(model_file=bytearray(
        (tmp_path / hosts[0] / "model" / "xgboost-model").read_bytes()
    ))  # fmt: skip
    matrix = xgboost.DMatrix(features, label=labels)
    alone = xgboost.train({"nthread": 1}, matrix, 5)
    errors = [np.mean((each.predict(matrix) - labels) ** 2) for each in (together, alone)]
    assert errors[0] < 1.05 * errors[1]


def test_a_single_host_needs_no_group(tmp_path):
    with membership(TrainingContext(tmp_path, {}, {}), has_data=True) as member:
        assert member.is_master
        assert member.group.size == 1
        assert member.any(lambda: True)()


@pytest.mark.parametrize(
    "values", [{"_kfold": 3}, {"tree_method": "exact"}, {"booster": "gblinear"}]
)
def test_what_needs_one_host_is_refused(values):
    for tag in ("", "0.90-2", "1.7-1"):
        with pytest.raises(ClientError):
            distributable(values, ImageVersion.of(tag))


@pytest.mark.parametrize("tag", ["1", "latest"])
def test_the_first_image_trains_exact_as_approx_on_several_hosts(
    tmp_path, make_data, csv_text, tag: str
):
    """src/learner.cc of v0.72: rows spread over hosts go to grow_histmaker, whatever is asked."""
    lines = csv_text(*reversed(make_data(200))).splitlines(keepends=True)
    hosts = ["127.0.0.1", "127.0.0.2"]
    trained = {}
    for method in ("exact", "approx"):
        folder = tmp_path / method
        processes = [
            start_host(
                folder / host, host, hosts, "".join(lines[rank::2]), num_round="3",
                tree_method=method, objective="binary:logistic", image_tag=tag,
            )
            for rank, host in enumerate(hosts)
        ]  # fmt: skip
        outputs = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], outputs
        said = "tree_method exact trains with the approximate algorithm" in outputs[0]
        assert said == (method == "exact")
        trained[method] = (folder / hosts[0] / "model" / "xgboost-model").read_bytes()
    assert trained["exact"] == trained["approx"]


def test_a_lost_host_is_not_the_users_mistake():
    lost = xgboost.core.XGBoostError("/workspace/src/collective/result.cc:83: EOF")
    for failure in (training_failure(lost), loading_failure(lost)):
        assert isinstance(failure, AlgorithmError)
        assert "connection to another host was lost" in str(failure)


def test_verbosity_is_how_much_xgboost_says(tmp_path, make_data, csv_text):
    """In processes of their own: the library keeps the level for all that follows in one."""
    rows = csv_text(*reversed(make_data()))
    processes = [
        start_host(
            tmp_path / verbosity, "algo-1", ["algo-1"], rows, num_round="2", tree_method="hist",
            updater="grow_quantile_histmaker", verbosity=verbosity,
        )
        for verbosity in "013"
    ]  # fmt: skip
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert all("[1]\ttrain-" in output for output in outputs)
    warned = ["manually specified the `updater` parameter" in output for output in outputs]
    assert warned == [False, True, True]
    assert ["Monitor (0)" in output for output in outputs] == [False, False, True]
