"""Several hosts' changes of one matrix."""

import socket
import threading

import numpy as np
import pytest

from sagebrush.algorithms.blazing_text.averaging import SharedMatrix, adaptive_sum
from sagebrush.algorithms.collective import Collective


def test_equal_changes_are_averaged_and_unrelated_ones_added():
    first = np.array([[2, 0, 0], [2, 0, 0], [0, 0, 0], [1, 1, 0]], np.float32)
    second = np.array([[2, 0, 0], [0, 3, 0], [0, 5, 0], [1, 0, 0]], np.float32)
    # Row 3: 1 - 1/4 of the first and 1 - 1/2 of the second.
    expected = [[2, 0, 0], [2, 3, 0], [0, 5, 0], [1.25, 0.75, 0]]
    np.testing.assert_allclose(adaptive_sum(first, second), expected)


@pytest.mark.parametrize("hosts", [1, 2, 3, 4])
def test_all_hosts_get_the_same_matrix(hosts):
    pairs = [socket.socketpair() for _ in range(hosts - 1)]
    leader = Collective(0, hosts, [("other", here) for here, _ in pairs])
    others = [Collective(n, hosts, [("first", there)]) for n, (_, there) in enumerate(pairs, 1)]
    matrices = [np.ones((hosts, 3), np.float32) for _ in range(hosts)]

    def work(rank: int, group: Collective) -> None:
        shared = SharedMatrix(matrices[rank], group)
        for _ in range(2):
            matrices[rank][rank] += rank + 1  # a row that no other host changes
            shared.bring_together()

    groups = [leader, *others]
    threads = [threading.Thread(target=work, args=each) for each in enumerate(groups)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    for group in groups:
        group.close()
    expected = np.repeat(1 + 2.0 * np.arange(1, hosts + 1)[:, None], 3, axis=1)
    for matrix in matrices:
        np.testing.assert_allclose(matrix, expected)
