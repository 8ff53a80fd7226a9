"""Matrix products stay on one thread inside the block, and only there."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from sagebrush.algorithms.blas_threads import single_threaded_blas


def openblas_threads() -> set[int]:
    """numpy's and scipy's: another test may have loaded one that follows OpenMP's count."""
    np.ones((2, 2)) @ np.ones((2, 2))
    return {each["num_threads"] for each in threadpool_info() if "scipy_openblas" in each["prefix"]}


def test_one_thread_inside_and_the_old_count_after():
    with threadpool_limits(2):
        before = openblas_threads()
        with single_threaded_blas():
            assert openblas_threads() == {1}
        assert openblas_threads() == before
