"""Which host's failure stands for that of a job on several."""

from pathlib import Path

import pytest

from sagebrush.run.records import Exit, MemberExit, Reason
from sagebrush.services.sagemaker.jobs.finish import outcome_of
from sagebrush.services.sagemaker.jobs.hosts import hosts_of

HOSTS = {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 3}}
LOST = "AlgorithmError: The connection to host algo-2 was lost"
MISTAKE = "ClientError: No data was found in the 'train' channel."


def reason_of(folder: Path, failures: dict[str, tuple[str, int]], first: str) -> str | None:
    hosts = hosts_of(HOSTS, folder)
    for host in hosts:
        (host.root / "output").mkdir(parents=True)
        if host.name in failures:
            (host.root / "output" / "failure").write_text(failures[host.name][0])
    members = tuple(
        MemberExit(host.name, failures.get(host.name, ("", 0))[1], started_at=1.0, ended_at=2.0)
        for host in hosts
    )
    ended = Exit(Reason.FAILED, members, failed_member=first)
    return outcome_of(ended, "", folder, hosts).reason


@pytest.mark.parametrize("first", ["algo-1", "algo-2", "algo-3"])
def test_the_mistake_goes_before_the_lost_connections_it_caused(tmp_path: Path, first: str):
    failures = {"algo-1": (LOST, 1), "algo-2": (MISTAKE, 2), "algo-3": (LOST, 1)}
    assert reason_of(tmp_path, failures, first) == f"{MISTAKE}, exit code: 2"


def test_among_equals_the_host_that_ended_first_is_heard(tmp_path: Path):
    failures = {"algo-1": ("AlgorithmError: one", 1), "algo-3": ("AlgorithmError: three", 3)}
    assert reason_of(tmp_path, failures, "algo-3") == "AlgorithmError: three, exit code: 3"


def test_a_host_that_ends_without_a_word_is_named_by_its_code(tmp_path: Path):
    assert reason_of(tmp_path, {"algo-2": ("", 7)}, "algo-2") == "AlgorithmError: , exit code: 7"
