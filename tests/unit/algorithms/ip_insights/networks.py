"""Users with home networks: pairs of which the truth is known."""

import numpy as np

USERS, HOMES = 60, 15


def pairs(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Each user comes from the /24 of his home, one of 15 in as many /16s; users share homes."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, USERS, count)
    last = rng.integers(0, 256, count)
    return names(users), [
        f"{20 + user % HOMES}.7.3.{at}" for user, at in zip(users, last, strict=True)
    ]


def elsewhere(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Users at the homes of others."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, USERS, count)
    homes = (users + rng.integers(1, HOMES, count)) % HOMES
    return names(users), [f"{20 + home}.7.3.9" for home in homes]


def names(users: np.ndarray) -> list[str]:
    return [f"user-{user}" for user in users]
