"""Which GPUs this process may use, asked of NVIDIA's driver."""

import ctypes
from pathlib import Path

DRIVER = "libcuda.so.1"
DEVICES = Path("/dev")
_DEVICE_FILES = ("nvidia[0-9]*", "dxg")
"""NVIDIA's on Linux, and the one through which Windows lends its GPUs to Linux."""


def usable_gpus(driver: str = DRIVER, devices: Path = DEVICES) -> int:
    """How many GPUs CUDA may use here; 0 where there is no GPU, no driver or the driver fails.

    ``CUDA_VISIBLE_DEVICES`` hides some, which is the driver's own doing. The driver is only started
    where a device file says that it has something to drive, since it does not survive a fork: call
    this in the process that will compute, never in one that workers are forked from.
    """
    if not any(path for pattern in _DEVICE_FILES for path in devices.glob(pattern)):
        return 0
    try:
        library = ctypes.CDLL(driver)
        begin, count_devices = library.cuInit, library.cuDeviceGetCount
    except (OSError, AttributeError):
        # No driver, or a library of that name that is none.
        return 0
    count = ctypes.c_int(0)
    if begin(ctypes.c_uint(0)) != 0 or count_devices(ctypes.byref(count)) != 0:
        return 0
    return max(count.value, 0)
