"""Everything in the JumpStart bucket of a region, made from the algorithms' cards."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

import orjson

from sagebrush.algorithms import algorithm_names, card_of
from sagebrush.algorithms.card import Card, ModelId
from sagebrush.services.sagemaker.jumpstart.datasets import datasets
from sagebrush.services.sagemaker.jumpstart.specifications import (
    MIN_SDK_VERSION,
    VERSIONS,
    Keys,
    specification,
)

MANIFEST = "models_manifest.json"
PROPRIETARY_MANIFEST = "proprietary-sdk-manifest.json"

_TRAINING_SCRIPT = '''"""Trains {title}. The image has the same code and does without this file."""

import sys

from sagebrush.algorithms.container import train_main

if __name__ == "__main__":
    sys.exit(train_main("{name}"))
'''

_INFERENCE_SCRIPT = '''"""Serves {title}. The image has the same code and does without this file."""

import os
from pathlib import Path

from sagebrush.algorithms.{folder}.serve import load


def model_fn(model_dir):
    return load(Path(model_dir), os.environ)


def transform_fn(model, body, content_type, accept):
    data = body.encode() if isinstance(body, str) else bytes(body)
    return model.invoke(data, content_type, accept)
'''

_NO_MODEL = "{title} is trained from nothing: this archive holds no model.\n"


def content_of(region: str) -> Mapping[str, bytes]:
    """Return the objects of a region's bucket by key; the same bytes every time."""
    headers = []
    found: dict[str, bytes] = {}
    for card, model in _models():
        found |= _archives(card, model)
        for version in VERSIONS:
            key = Keys(card, model, version).specification
            found[key] = orjson.dumps(specification(card, model, version, region))
            headers.append(
                {
                    "model_id": model.name,
                    "version": version,
                    "min_version": MIN_SDK_VERSION,
                    "spec_key": key,
                    "search_keywords": [card.title, model.problem_type, "tabular"],
                }
            )
    found[MANIFEST] = orjson.dumps(headers)
    found[PROPRIETARY_MANIFEST] = b"[]"
    return {**found, **datasets()}


def _models() -> list[tuple[Card, ModelId]]:
    cards = (card_of(name) for name in algorithm_names())
    return [(card, model) for card in cards for model in card.model_ids]


def _archives(card: Card, model: ModelId) -> dict[str, bytes]:
    names = {"title": card.title, "name": card.name, "folder": card.name.replace("-", "_")}
    training = _archive({"transfer_learning.py": _TRAINING_SCRIPT.format(**names)})
    inference = _archive({"inference.py": _INFERENCE_SCRIPT.format(**names)})
    nothing = _archive({"README.txt": _NO_MODEL.format(**names)})
    found: dict[str, bytes] = {}
    for version in VERSIONS:
        keys = Keys(card, model, version)
        found |= {keys.training_script: training, keys.inference_script: inference}
        found |= {keys.training_artifact: nothing, keys.inference_artifact: nothing}
    return found


def _archive(files: Mapping[str, str]) -> bytes:
    """A tar.gz whose bytes depend on nothing but the files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
