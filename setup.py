"""Compiles the algorithms' C kernels; everything else is declared in pyproject.toml.

A folder `src/sagebrush/algorithms/<name>/` with C files yields one plain shared library for each
instruction set a machine may have, next to its sources; `sagebrush.algorithms.native` loads the
best. They are loaded with ctypes: neither Python's headers nor its ABI matter to them.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
ALGORITHMS = Path("src/sagebrush/algorithms")

FLAGS = (
    "-std=c11",
    "-O3",
    "-fPIC",
    "-Wall",
    "-Wextra",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    # Sums may be reordered into vectors; NaN and infinity keep their meaning.
    "-fno-signed-zeros",
    "-fassociative-math",
    "-freciprocal-math",
)
AVX2 = ("-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt")
AVX512 = (*AVX2, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl")
VARIANTS: dict[str, tuple[str, ...]] = {"portable": ()}
if platform.machine().lower() in {"x86_64", "amd64"}:
    VARIANTS |= {"avx2": AVX2, "avx512": AVX512}


def compiler() -> list[str]:
    """The C compiler: $CC, the system's, or the one that the ziglang package brings."""
    if os.environ.get("CC"):
        return os.environ["CC"].split()
    if found := shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"):
        return [found]
    return [sys.executable, "-m", "ziglang", "cc"]


def kernels() -> list[Extension]:
    """One extension for each folder with C files and each variant."""
    folders = sorted({path.parent for path in (ROOT / ALGORITHMS).glob("*/*.c")})
    return [
        Extension(
            f"sagebrush.algorithms.{folder.name}._kernel_{variant}",
            sources=[str(path.relative_to(ROOT)) for path in sorted(folder.glob("*.c"))],
            depends=[str(path) for path in folder.glob("*.h")]
            + [str(path) for path in (ROOT / ALGORITHMS / "native").glob("*.h")],
            extra_compile_args=list(flags),
        )
        for folder in folders
        for variant, flags in VARIANTS.items()
    ]


class BuildKernels(build_ext):
    """Builds plain shared libraries instead of Python extension modules."""

    def get_ext_filename(self, fullname: str) -> str:
        """The library's path: no Python version in its name, since it does not depend on any.

        Not `.so` either, which Python would take for a module of its own.
        """
        return str(Path(*fullname.split("."))) + ".kernel"

    def build_extension(self, ext: Extension) -> None:
        """Compile and link one library in one step, unless it is newer than its sources."""
        target = Path(self.get_ext_fullpath(ext.name))
        inputs = [Path(each) for each in (*ext.sources, *ext.depends, __file__)]
        if target.exists() and all(
            target.stat().st_mtime > each.stat().st_mtime for each in inputs
        ):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}.tmp")
        extra = os.environ.get("SAGEBRUSH_KERNEL_FLAGS", "").split()
        libraries = ["-lm"] if sysconfig.get_config_var("SO") != ".pyd" else []
        command = [*compiler(), *FLAGS, *ext.extra_compile_args, *extra, "-shared"]
        command += [*ext.sources, "-o", str(unfinished), *libraries]
        self.announce(" ".join(command), level=2)
        try:
            subprocess.run(command, check=True)
        except FileNotFoundError as error:
            raise SystemExit(
                f"The algorithms' kernels need a C compiler, and {command[0]!r} is not there: "
                "install gcc or clang, or `pip install ziglang`, or name one in $CC."
            ) from error
        unfinished.replace(target)


setup(ext_modules=kernels(), cmdclass={"build_ext": BuildKernels})
