"""The spec survives being written down; paths are translated where there is no sandbox."""

from __future__ import annotations

import pytest

from sagebrush.base.errors import ConfigurationError
from sagebrush.run.spec import (
    Access,
    Archive,
    Entry,
    Feeder,
    Limits,
    Member,
    Mount,
    ProcessSpec,
    host_path,
    without_sandbox,
)

_MOUNTS = (
    Mount("/jobs/1/ml", "/opt/ml", Access.READ_WRITE),
    Mount("/data/set", "/opt/ml/input/data/train", Access.COPY_ON_WRITE),
)


def test_from_json_gives_back_what_to_json_wrote() -> None:
    spec = ProcessSpec(
        "job",
        "/jobs/1",
        (
            Member("algo-1", argv=("a", "b"), mounts=_MOUNTS, environment={"A": "ü"}),
            Member("algo-2", entry=Entry("m:f", {"x": [1, {"y": None}]}), threads=4),
        ),
        hidden=("/data",),
        limits=Limits(1 << 30, 1.5),
        feeders=(Feeder("/f", ("/a", "/b"), shuffle_seed=0),),
        archives=(Archive("o", ("r",), ("f",)),),
        max_runtime_s=5.0,
    )
    assert ProcessSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/opt/ml", "/jobs/1/ml"),
        ("/opt/ml/model/x", "/jobs/1/ml/model/x"),
        ("/opt/ml/input/data/train/part", "/data/set/part"),
        ("/opt/mlx", "/opt/mlx"),
        ("see /opt/ml", "see /opt/ml"),
        ("", ""),
    ],
)
def test_host_path_takes_the_longest_mount(text: str, expected: str) -> None:
    assert host_path(_MOUNTS, text) == expected


def test_without_sandbox_translates_everything_a_worker_gets() -> None:
    entry = Entry("m:f", {"root": "/opt/ml", "nested": [{"path": "/opt/ml/a"}], "n": 1})
    member = Member("a", entry=entry, mounts=_MOUNTS, environment={"SM_MODEL_DIR": "/opt/ml/model"})
    plain = without_sandbox(member)
    assert plain.entry == Entry(
        "m:f", {"root": "/jobs/1/ml", "nested": [{"path": "/jobs/1/ml/a"}], "n": 1}
    )
    assert plain.environment == {"SM_MODEL_DIR": "/jobs/1/ml/model"}


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a" * 200])
def test_check_refuses_member_names_that_are_no_file_names(name: str) -> None:
    with pytest.raises(ConfigurationError, match="bad member name"):
        ProcessSpec("job", "/jobs/1", (Member(name, argv=("true",)),)).check()


def test_check_refuses_a_relative_directory() -> None:
    with pytest.raises(ConfigurationError, match="absolute"):
        ProcessSpec("job", "jobs/1", (Member("a", argv=("true",)),)).check()
