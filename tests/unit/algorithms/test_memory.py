"""What the C library does with freed memory, seen in a process of its own."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, re, sys
from pathlib import Path
from sagebrush.algorithms.memory import return_freed_memory

def resident_bytes():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

if sys.argv[1] == "returned":
    return_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
before = resident_bytes()
blocks = [library.malloc(ctypes.c_size_t(40_000)) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 40_000)
# The last one, still in use above the others, keeps a heap from shrinking.
for block in blocks[:-1]:
    library.free(ctypes.c_void_p(block))
print(resident_bytes() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told")
@pytest.mark.parametrize(("choice", "least", "most"), [("returned", 0, 8), ("kept", 30, 60)])
def test_freed_memory_is_given_back(choice: str, least: int, most: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, choice], capture_output=True, text=True, check=True
    )
    assert least <= int(run.stdout) >> 20 <= most
