"""How long LightGBM's threads spin, as GNU's OpenMP itself tells when it is loaded."""

import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("lightgbm")

LOAD = """
from sagebrush.algorithms.lightgbm.thread_waiting import spin_briefly
spin_briefly()
import lightgbm
"""


def spins(**given: str) -> str:
    """The number of spins that the library's OpenMP works with."""
    ours = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env=environment | given | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"GOMP_SPINCOUNT = '(\w+)'", done.stderr)
    assert found, "LightGBM is not loaded with GNU's OpenMP"
    return str(found[-1])


def test_threads_spin_briefly():
    assert spins() == "500"


def test_what_the_user_gave_counts():
    assert spins(GOMP_SPINCOUNT="7") == "7"
    assert spins(OMP_WAIT_POLICY="PASSIVE") == "0"
