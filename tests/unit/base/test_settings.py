"""Settings: addresses as clients write them, data directories that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import Settings, make_data_dir


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("127.0.0.1", "http://127.0.0.1:4566"),
        ("localhost", "http://localhost:4566"),
        ("::1", "http://[::1]:4566"),
        ("0.0.0.0", "http://127.0.0.1:4566"),
        ("::", "http://[::1]:4566"),
    ],
)
def test_the_endpoint_is_an_address_to_connect_to(host: str, endpoint: str, tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path, host=host).endpoint == endpoint


def test_a_data_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    make_data_dir(tmp_path / "a" / "b")
    make_data_dir(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_data_directory_that_cannot_be_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        with pytest.raises(ConfigurationError, match=r"choose another with --data"):
            make_data_dir(folder)
