"""Setuptools' build backend, which also asks for a C compiler where the machine has none."""

import os
import shutil
from typing import Any

from setuptools import build_meta

build_sdist = build_meta.build_sdist
build_wheel = build_meta.build_wheel
build_editable = build_meta.build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable

Settings = dict[str, Any] | None


def _compiler() -> list[str]:
    installed = os.environ.get("CC") or any(map(shutil.which, ("cc", "gcc", "clang")))
    return [] if installed else ["ziglang"]


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What building a wheel needs besides setuptools."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """What an editable installation needs besides setuptools."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler()]
