"""Service models, loaded lazily from packs: botocore's data files without the documentation.

botocore is found, never imported: its models are data. A pack is written to a cache directory on
the first use of a service and is several times smaller and faster to load than the original.
The cache is keyed by the botocore version, so an upgrade simply makes new packs.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
import re
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from sagebrush.base.errors import ConfigurationError
from sagebrush.wire.index import MODEL_FILE, ServiceInfo, read_index
from sagebrush.wire.model import ServiceModel
from sagebrush.wire.synthetic import SYNTHETIC_MODELS

CACHE_VARIABLE = "SAGEBRUSH_CACHE"
PACK_FORMAT = 2

_DROPPED = frozenset({"documentation", "deprecatedMessage", "deprecatedSince"})
_EXTRAS_FILE = "service-2.sdk-extras.json"
# The extras turn S3's Expires from a string into a timestamp for the SDK's own parser. A server
# has to give back the very string it was given, valid date or not.
_WITHOUT_EXTRAS = frozenset({"s3"})


class UnknownServiceError(LookupError):
    """No service of this name exists in the installed botocore."""


def default_cache_dir() -> Path:
    """Return `$SAGEBRUSH_CACHE`, or the platform's cache directory for this product."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sagebrush"
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "sagebrush"


class Catalogue:
    """All services of one botocore installation.

    `data_dir` is botocore's `data` folder and `cache_dir` where packs are kept; both default to
    this machine's own. A cache directory that cannot be written is no error: packs are then made
    in memory in each process.
    """

    def __init__(self, cache_dir: Path | None = None, data_dir: Path | None = None) -> None:
        self._botocore = data_dir.parent if data_dir else _botocore_folder()
        self._data_dir = data_dir or self._botocore / "data"
        root = cache_dir or default_cache_dir()
        self._cache_dir = root / "packs" / f"{_version_of(self._botocore)}-{PACK_FORMAT}"
        self._models: dict[str, ServiceModel] = {}

    @cached_property
    def services(self) -> dict[str, ServiceInfo]:
        """All services by folder name (`s3`, `sagemaker-runtime`...)."""
        path = self._cache_dir / "index.json"
        records = _read_json(path)
        if records is not None:
            return {record["name"]: ServiceInfo.from_record(record) for record in records}
        infos = read_index(self._data_dir)
        _write_atomically(path, orjson.dumps([info.record() for info in infos]))
        return {info.name: info for info in infos}

    def load(self, service: str) -> ServiceModel:
        """Return a service's model; raises `UnknownServiceError`."""
        model = self._models.get(service)
        if model is None:
            info = self.services.get(service)
            if info is None:
                raise UnknownServiceError(service)
            model = ServiceModel(info, self._pack(info))
            self._models[service] = model
        return model

    def _pack(self, info: ServiceInfo) -> dict[str, Any]:
        path = self._cache_dir / f"{info.name}.json"
        document: dict[str, Any] | None = _read_json(path)
        if document is None:
            document = make_pack(self._data_dir / info.name / info.api_version, info.name)
            _write_atomically(path, orjson.dumps(document))
        return document


def make_pack(folder: Path, service: str) -> dict[str, Any]:
    """Return the stripped model of one service version: metadata, operations, shapes."""
    model = orjson.loads(gzip.decompress((folder / MODEL_FILE).read_bytes()))
    extras = folder / _EXTRAS_FILE
    if service not in _WITHOUT_EXTRAS and extras.exists():
        _merge(model, orjson.loads(extras.read_bytes())["merge"])
    _merge(model, SYNTHETIC_MODELS.get(service, {}))
    return {
        "metadata": model["metadata"],
        "operations": {name: _strip(value) for name, value in model["operations"].items()},
        "shapes": {name: _strip_shape(value) for name, value in model["shapes"].items()},
    }


def load(service: str) -> ServiceModel:
    """Return a service's model from this machine's botocore; raises `UnknownServiceError`."""
    return catalogue().load(service)


def catalogue() -> Catalogue:
    """Return the process-wide catalogue, made on first use from the default directories."""
    global _catalogue
    if _catalogue is None:
        _catalogue = Catalogue()
    return _catalogue


_catalogue: Catalogue | None = None


def _botocore_folder() -> Path:
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ConfigurationError("botocore is not installed: its service models are needed")
    return Path(spec.origin).parent


def _version_of(botocore: Path) -> str:
    """Read the version as text: importing the package metadata machinery costs 15 ms."""
    match = re.search(r"__version__ = '([^']+)'", (botocore / "__init__.py").read_text())
    if match is None:
        raise ConfigurationError(f"{botocore} has no version")
    return match[1]


def _merge(into: dict[str, Any], extra: dict[str, Any]) -> None:
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strip(item) for key, item in value.items() if key not in _DROPPED}
    if isinstance(value, list):
        return [_strip(item) for item in value]
    return value


def _strip_shape(shape: dict[str, Any]) -> dict[str, Any]:
    """Strip traits but keep every member, even one that is called `documentation`."""
    stripped: dict[str, Any] = {}
    for key, value in shape.items():
        if key == "members":
            stripped[key] = {name: _strip(reference) for name, reference in value.items()}
        elif key not in _DROPPED:
            stripped[key] = _strip(value)
    return stripped


def _read_json(path: Path) -> Any:
    """Return the cached document, or None when there is none or it is damaged."""
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None  # rebuilt by the caller: the cache only saves time


def _write_atomically(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return  # a read-only cache directory: this process works from memory
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)
