"""Pages of version 1.7, run by the interpreter of the environment that its image tags have."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.unit.algorithms.xgboost.test_distributed import HOST_WITH_SMALL_MEMORY, start_host

import sagebrush
from sagebrush.algorithms.xgboost import XGBOOST_1_7
from sagebrush.services.sagemaker.runtimes import environments

PROGRAM = Path(__file__).parent / "programs" / "xgboost_1_7_pages.py"


@pytest.fixture(scope="module")
def interpreter() -> str:
    built = environments().ensure(XGBOOST_1_7.name, XGBOOST_1_7.requirements, print)
    return str(asyncio.run(built))


def test_pages_and_memory_teach_the_same(interpreter: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(sagebrush.__file__).parents[1])}
    command = [interpreter, PROGRAM]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["version"].startswith("1.7.")
    for name in ("even", "odd"):
        result = found[name]
        paged, in_memory = result["errors"]
        assert result["bins"] == 256
        assert result["weights_kept"]
        assert paged < 1.1 * in_memory < 0.3 * found["deviation"], name
        # Bins while training and values when asked send each row to the same leaf.
        assert result["while_training"] == pytest.approx(paged, rel=1e-5), name


def test_several_hosts_are_told_that_memory_is_short(interpreter: str, tmp_path: Path) -> None:
    """The library would end them: it forgets where a histogram begins after the first page."""
    lines = [f"{row % 7},{row},{row % 11},{row % 13},{row % 5}\n" for row in range(20_000)]
    hosts = ["127.0.0.1", "127.0.0.2"]
    processes = [
        start_host(
            tmp_path / host, host, hosts, "".join(lines[rank::2]),
            program=HOST_WITH_SMALL_MEMORY if rank == 0 else None, interpreter=interpreter,
            num_round="2", tree_method="hist",
        )
        for rank, host in enumerate(hosts)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [2, 2], outputs
    for host in hosts:
        failure = (tmp_path / host / "output" / "failure").read_text()
        assert failure.startswith("ClientError: The training data of an instance is larger")
