"""Answers inference requests with word vectors or with labels and their probabilities."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from sagebrush.algorithms.blazing_text.classification import LabelNames, top_labels
from sagebrush.algorithms.blazing_text.fasttext_file import SUPERVISED, StoredModel, read_model
from sagebrush.algorithms.blazing_text.lookup import vectors_of
from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.media_type import MediaType

JSON = "application/json"
JSON_LINES = "application/jsonlines"


class BlazingTextPredictor:
    """A served model, ours or any fastText one.

    The answer has the content type of the request: AWS documents that Accept is ignored.
    """

    def __init__(self, model: StoredModel) -> None:
        self._model = model
        self._labels = LabelNames(model) if model.arguments.model == SUPERVISED else None

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:  # noqa: ARG002
        """The answer to a request body; see `predictor.Predictor`."""
        media = MediaType.parse(content_type or JSON).name
        if media == JSON:
            texts, ks = _json_request(body)
            return orjson.dumps(self._answers(texts, ks), option=_OPTIONS), JSON
        if media == JSON_LINES:
            texts, ks = _json_lines_request(body)
            lines = [orjson.dumps(each, option=_OPTIONS) for each in self._answers(texts, ks)]
            return b"\n".join([*lines, b""]), JSON_LINES
        raise InferenceError(415, f"Unsupported content-type: {content_type}")

    def _answers(self, texts: list[str], ks: list[int]) -> list[dict[str, Any]]:
        if self._labels is None:
            vectors = vectors_of(self._model, [text.encode() for text in texts])
            return [
                {"word": text, "vector": [*map(float, row)]}
                for text, row in zip(texts, vectors, strict=True)
            ]
        found = top_labels(self._model, texts, ks, self._labels)
        return [{"label": names, "prob": chances} for names, chances in found]


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InferenceError(400, f"unable to evaluate payload provided: {error}") from error
    if not isinstance(document, dict):
        raise InferenceError(400, "unable to evaluate payload provided: it must be a JSON object")
    return document


def _json_request(body: bytes) -> tuple[list[str], list[int]]:
    document = _parsed(body)
    instances = document.get("instances")
    if not isinstance(instances, list) or not all(isinstance(each, str) for each in instances):
        raise InferenceError(400, "'instances' must be a list of strings")
    configuration = document.get("configuration", {})
    if not isinstance(configuration, dict):
        raise InferenceError(400, "'configuration' must be a JSON object")
    return instances, [_k_of(configuration)] * len(instances)


def _json_lines_request(body: bytes) -> tuple[list[str], list[int]]:
    texts, ks = [], []
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        document = _parsed(line)
        source = document.get("source")
        if not isinstance(source, str):
            raise InferenceError(400, "each line needs a 'source' that is a string")
        texts.append(source)
        ks.append(_k_of(document))
    if not texts:
        raise InferenceError(400, "unable to evaluate payload provided: the body is empty")
    return texts, ks


def _k_of(document: dict[str, Any]) -> int:
    k = document.get("k", 1)
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InferenceError(400, "'k' must be a positive integer")
    return k


def load(model_dir: Path, environment: Mapping[str, str]) -> BlazingTextPredictor:  # noqa: ARG001
    """The predictor of the model in the directory.

    That is model.bin (a classifier), vectors.bin (word vectors) or the only ``*.bin`` there is;
    fastText's own will do. FileNotFoundError if there is none.
    """
    found = sorted(model_dir.glob("*.bin"))
    by_name = {path.name: path for path in found}
    path = by_name.get("model.bin") or by_name.get("vectors.bin")
    if path is None and len(found) == 1:
        path = found[0]
    if path is None:
        raise FileNotFoundError("The model has no model.bin and no vectors.bin.")
    return BlazingTextPredictor(read_model(path))
