"""GPUs as a driver tells them: one compiled here, a missing one and a library that is none."""

import ctypes.util
import shutil
import subprocess
from pathlib import Path

import pytest

from sagebrush.algorithms.gpu import usable_gpus

DRIVER = """
int cuInit(unsigned flags) { return flags == 0 ? INIT : 99; }
int cuDeviceGetCount(int *count) { *count = 2; return COUNT; }
"""


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    folder = tmp_path / "dev"
    folder.mkdir()
    (folder / "nvidia0").touch()
    return folder


@pytest.fixture
def driver(tmp_path: Path):
    """A function that compiles a driver whose calls return the given codes."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")

    def build(init: int, count: int) -> str:
        library = tmp_path / f"libcuda-{init}-{count}.so"
        options = [f"-DINIT={init}", f"-DCOUNT={count}", "-shared", "-fPIC", "-x", "c", "-"]
        subprocess.run([compiler, *options, "-o", library], input=DRIVER, text=True, check=True)
        return str(library)

    return build


def test_the_driver_says_how_many_there_are(driver, devices):
    assert usable_gpus(driver(0, 0), devices) == 2


@pytest.mark.parametrize(("init", "count"), [(100, 0), (0, 999)])
def test_a_driver_that_fails_has_none(driver, devices, init, count):
    assert usable_gpus(driver(init, count), devices) == 0


def test_without_a_device_no_driver_is_started(driver, devices):
    (devices / "nvidia0").rename(devices / "nvidiactl")
    assert usable_gpus(driver(0, 0), devices) == 0


def test_windows_lends_its_gpus_through_a_file_of_its_own(driver, devices):
    (devices / "nvidia0").rename(devices / "dxg")
    assert usable_gpus(driver(0, 0), devices) == 2


def test_a_missing_driver_has_none(devices, tmp_path):
    assert usable_gpus(str(tmp_path / "libcuda.so.1"), devices) == 0


def test_a_library_that_is_no_driver_has_none(devices):
    name = ctypes.util.find_library("m")
    assert name is not None
    assert usable_gpus(name, devices) == 0
