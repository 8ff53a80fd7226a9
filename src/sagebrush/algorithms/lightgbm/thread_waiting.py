"""How LightGBM's threads wait for each other."""

import os

SPINS = 500
"""About 20 microseconds. On two idle cores 500,000 rows took 2.65 s with it and 3.15 s with
none; from some thousands on, jobs on busy cores take up to twice the CPU time."""


def spin_briefly() -> None:
    """Let LightGBM's threads sleep after a short wait; works until the library is first imported.

    OpenMP reads it when it is loaded. Left alone, threads spin for milliseconds: on cores which
    others need, too, they hold up the very thread they wait for, and a job took four times the CPU
    time. Those that sleep at once are woken too late for LightGBM's many short steps. A policy or
    number of spins that the user gave counts.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    # GNU's OpenMP; others know the policy only.
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
