"""A tabular job's folder: channels of CSV texts and other files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.algorithms.channels import ChannelConfig


@pytest.fixture
def channels(tmp_path: Path) -> Callable[..., dict[str, ChannelConfig]]:
    """Writes files given as ``{"training/data.csv": text}`` and gives the channels' settings."""

    def make(files: dict[str, Any], **distributions: str) -> dict[str, ChannelConfig]:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        names = {name.partition("/")[0] for name in files}
        return {
            name: ChannelConfig(
                name, tmp_path / name, distribution=distributions.get(name, "FullyReplicated")
            )
            for name in names
        }

    return make
