"""How LightGBM's threads wait for each other."""

import os


def wait_without_spinning() -> None:
    """Let LightGBM's threads sleep while they wait; works until the library is first imported.

    OpenMP reads it when it is loaded. Threads that spin on cores which others need, too, hold up
    the very thread they wait for: on two busy cores a job took four times the CPU time. A value
    that the user gave counts.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
