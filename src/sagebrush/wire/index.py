"""The list of all services with the metadata that routing needs.

Read from the first kilobytes of each of botocore's model files, so that hundreds of services
cost milliseconds and no model is loaded before it is used.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MODEL_FILE = "service-2.json.gz"
_PREFIX_BYTES = 4096
_METADATA = re.compile(r'"metadata"\s*:\s*')


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """What is known of a service without loading its model."""

    name: str  # folder name: `sagemaker-runtime`
    api_version: str  # folder name below it: `2017-05-13`
    service_id: str
    signing_name: str
    endpoint_prefix: str
    target_prefix: str | None
    protocols: tuple[str, ...]
    json_version: str | None
    wire_version: str  # the Version parameter of query requests
    xml_namespace: str | None

    @classmethod
    def from_metadata(cls, name: str, api_version: str, metadata: dict[str, Any]) -> ServiceInfo:
        """Build from a model's metadata block."""
        endpoint_prefix = metadata["endpointPrefix"]
        return cls(
            name=name,
            api_version=api_version,
            service_id=metadata["serviceId"],
            signing_name=metadata.get("signingName", endpoint_prefix),
            endpoint_prefix=endpoint_prefix,
            target_prefix=metadata.get("targetPrefix"),
            protocols=tuple(metadata.get("protocols") or (metadata["protocol"],)),
            json_version=metadata.get("jsonVersion"),
            wire_version=metadata["apiVersion"],
            xml_namespace=metadata.get("xmlNamespace"),
        )

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> ServiceInfo:
        """Build from what `record` gave."""
        return cls(**{**record, "protocols": tuple(record["protocols"])})

    def record(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return asdict(self)


def read_index(data_dir: Path) -> list[ServiceInfo]:
    """Return all services of botocore's data directory, each in its newest version."""
    services = []
    for folder in sorted(data_dir.iterdir()):
        if not folder.is_dir():
            continue
        versions = sorted(path.parent.name for path in folder.glob(f"*/{MODEL_FILE}"))
        if versions:
            metadata = _metadata_of(folder / versions[-1] / MODEL_FILE)
            services.append(ServiceInfo.from_metadata(folder.name, versions[-1], metadata))
    return services


def _metadata_of(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        inflater = zlib.decompressobj(wbits=31)
        text = ""
        while chunk := file.read(_PREFIX_BYTES):
            text += inflater.decompress(chunk).decode("utf-8", "replace")
            metadata = _metadata_in(text)
            if metadata is not None:
                return metadata
    raise ValueError(f"{path} has no metadata block")


def _metadata_in(text: str) -> dict[str, Any] | None:
    start = _METADATA.search(text)
    if start is None:
        return None
    try:
        metadata: dict[str, Any] = json.JSONDecoder().raw_decode(text, start.end())[0]
    except json.JSONDecodeError:
        return None  # the block is cut off here: the caller reads on
    return metadata
