"""Answers inference requests with the dot product of each pair, and its vectors if asked.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-inference-data-formats.html
"""

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.formats.inference import choose_accept, encode_response, encode_row
from sagebrush.algorithms.formats.media_type import MediaType
from sagebrush.algorithms.ip_insights.lone_pair import LonePair, read_pair
from sagebrush.algorithms.ip_insights.model import IPInsights
from sagebrush.algorithms.ip_insights.pairs import (
    Packed,
    hash_entities,
    pack,
    pack_pair,
    parse_addresses,
    parse_pairs,
)

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
ACCEPTS = (JSON, JSON_LINES)
_UNREADABLE = "unable to evaluate payload provided"


class IPInsightsPredictor:
    """A served model; a pair gets ``dot_product``, with ``verbose`` also both vectors."""

    def __init__(self, model: IPInsights) -> None:
        self._model = model
        self._lone_pair = LonePair(model)

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        choose_accept(accept, offered=ACCEPTS)
        pairs = self.rows_of(body, content_type)
        return self.answer_of(pairs, self._embeddings(pairs), accept)

    def rows_of(self, body: bytes, content_type: str) -> Packed:
        """The pairs of a request body; InferenceError as `invoke`."""
        return decode_pairs(body, content_type)

    def predictions_of(self, parts: Sequence[Packed]) -> list[tuple[Any, Any]]:
        """Both vectors of each request's pairs."""
        entities, addresses = self._embeddings(np.concatenate(parts))
        edges = list(accumulate((len(part) for part in parts), initial=0))
        return [(entities[start:end], addresses[start:end]) for start, end in pairwise(edges)]

    def answer_of(
        self,
        rows: Packed,  # noqa: ARG002 - the protocol's
        predictions: tuple[Any, Any],
        accept: str,
    ) -> tuple[bytes, str]:
        """The response to a request whose pairs have these vectors; InferenceError as `invoke`."""
        media = choose_accept(accept, offered=ACCEPTS)
        entities, addresses = predictions
        if len(entities) == 1 and not media.flag("verbose"):
            return encode_row(("dot_product",), (float(np.vdot(entities, addresses)),), media)
        dot_products = np.einsum("ij,ij->i", entities, addresses)
        outputs = {"dot_product": dot_products}
        if media.flag("verbose"):
            outputs |= {"entity_embedding": entities, "ip_embedding": addresses}
        return encode_response(outputs, media)

    def _embeddings(self, pairs: Packed) -> tuple[Any, Any]:
        if len(pairs) == 1:
            return self._lone_pair.embeddings(int(pairs[0]))
        return self._model.embeddings(pairs)


def load(model_dir: Path, environment: Mapping[str, str]) -> IPInsightsPredictor:  # noqa: ARG001
    """The predictor of the model in the directory."""
    return IPInsightsPredictor(IPInsights.load(model_dir))


def decode_pairs(body: bytes, content_type: str) -> Packed:
    """The pairs of a request body.

    InferenceError 415 for a content type that the algorithm does not read, 400 for a body that is
    not of its content type or has a row that is no pair of an entity and an IPv4 address.
    """
    media = MediaType.parse(content_type or JSON)
    if media.name not in (CSV, JSON, JSON_LINES):
        raise InferenceError(415, f"Unsupported content-type: {content_type}")
    try:
        return _from_csv(body) if media.name == CSV else _from_instances(body, media.name)
    except (ClientError, ValueError, TypeError, RecursionError) as error:
        raise InferenceError(400, f"{_UNREADABLE}: {error}") from error
    except KeyError as error:
        raise InferenceError(400, f"{_UNREADABLE}: {error.args[0]!r} is missing") from error


def _from_csv(body: bytes) -> Packed:
    if (pair := read_pair(body)) is not None:
        return pair
    pairs = parse_pairs(body, "the request")
    if pairs.dropped:
        raise ValueError(
            f"row {pairs.dropped_line} has {pairs.dropped_text!r}, which is not an IPv4 address"
        )
    if not pairs.entities.size:
        raise ValueError("the body is empty")
    return pack(pairs.entities, pairs.addresses)


def _from_instances(body: bytes, kind: str) -> Packed:
    rows = [_features(each) for each in (_lines(body) if kind == JSON_LINES else _listed(body))]
    if len(rows) == 1:
        ((entity, address),) = rows
        return pack_pair(str(entity), address)
    entities = hash_entities(str(entity) for entity, _ in rows)
    return pack(entities, parse_addresses(address for _, address in rows))


def _listed(body: bytes) -> list[Any]:
    document = _loads(body)
    if not isinstance(document, dict):
        raise TypeError("the body must be an object with 'instances'")
    instances = document["instances"]
    if not isinstance(instances, list):
        raise TypeError("'instances' must be a list")
    return instances


def _lines(body: bytes) -> list[Any]:
    instances = [_loads(line) for line in body.split(b"\n") if line.strip()]
    if not instances:
        raise ValueError("the body is empty")
    return instances


def _loads(text: bytes) -> Any:
    """The JSON document; the standard library takes what the strict and fast reader refuses."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _features(instance: Any) -> tuple[str | int | float, str]:
    """Entity and address of an instance in any of the documented forms."""
    values = instance
    if isinstance(instance, dict):
        holder = instance if "features" in instance else instance["data"]
        values = holder["features"] if isinstance(holder, dict) else holder
        values = values["values"] if isinstance(values, dict) else values
    if not isinstance(values, list) or len(values) != 2:
        raise ValueError("an instance must have two features: an entity and an IPv4 address")
    entity, address = values
    if isinstance(entity, bool) or not isinstance(entity, (str, int, float)):
        raise TypeError("an entity must be a string")
    if not isinstance(address, str):
        raise TypeError("an IPv4 address must be a string in decimal-dot notation")
    return entity, address
