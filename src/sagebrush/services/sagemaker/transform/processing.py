"""Filters and joins of DataProcessing: records in, payload out; answers in, output out.

Input filter, inference, join with the unfiltered input, output filter, in this order. Fields of CSV
keep the very text they came with, quotes included.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sagebrush.services.sagemaker.transform.errors import FileFailure, bad_data
from sagebrush.services.sagemaker.transform.json_path import (
    JsonPath,
    PathMismatchError,
    parse_path,
)

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
FORMATS = (CSV, JSON, JSON_LINES)
_FIELD = re.compile(rb'"(?:[^"]|"")*"[^,]*|[^,]*')


@dataclass(frozen=True)
class Processing:
    """What is done to records before and after the model sees them.

    `stamp` is the job's start as text where inference ids are asked for, else empty.
    """

    media_type: str
    input_path: JsonPath
    output_path: JsonPath
    joins: bool
    stamp: str = ""

    def payload(self, records: Sequence[bytes]) -> bytes:
        """Return what the model is asked about some records.

        Raises:
            FileFailure: a record has no such element, or is no JSON.
        """
        if self.input_path.is_root:
            return b"\n".join(records)
        return b"\n".join([self._filtered(record) for record in records])

    def output(self, records: Sequence[bytes], answer: bytes) -> list[bytes]:
        """Return the output records, without line ends, of what the model answered.

        Raises:
            FileFailure: the answer has not one record for each input record, or the filter asks
                for what is not there.
        """
        answers = self._answers(len(records), answer)
        finish = self._csv_output if self.media_type == CSV else self._json_output
        try:
            return [finish(*pair) for pair in zip(records, answers, strict=True)]
        except PathMismatchError as error:
            raise bad_data(f"Invalid OutputFilter: {self.output_path.text}: {error}") from None

    def _filtered(self, record: bytes) -> bytes:
        try:
            if self.media_type == CSV:
                return _row(self.input_path, fields(record))
            return orjson.dumps(self.input_path.select(_document(record)))
        except PathMismatchError as error:
            raise bad_data(f"Invalid InputFilter: {self.input_path.text}: {error}") from None

    def _answers(self, count: int, answer: bytes) -> list[bytes]:
        if self.media_type != CSV and count == 1:
            return [answer]
        found = [line.removesuffix(b"\r") for line in answer.removesuffix(b"\n").split(b"\n")]
        if len(found) != count:
            raise FileFailure(
                "AlgorithmError",
                f"The algorithm answered {len(found)} records to {count}: they cannot be matched"
                " with their input. Set BatchStrategy to SingleRecord, or have the algorithm answer"
                " one line for each record.",
            )
        return found

    def _csv_output(self, record: bytes, answer: bytes) -> bytes:
        line = record + b"," + answer if self.joins else answer
        if not self.output_path.is_root:
            line = _row(self.output_path, fields(line))
        return b",".join((line, *self._stamps())) if self.stamp else line

    def _json_output(self, record: bytes, answer: bytes) -> bytes:
        output: Any = _answered(answer)
        if self.joins:
            output = _joined(_document(record), output)
        output = self.output_path.select(output)
        if self.stamp:
            found = output if isinstance(output, dict) else {"SageMakerOutput": output}
            identity, started = (part.decode() for part in self._stamps())
            output = found | {"SageMakerInferenceId": identity, "SageMakerInferenceTime": started}
        return orjson.dumps(output)

    def _stamps(self) -> tuple[bytes, bytes]:
        return str(uuid.uuid4()).encode(), self.stamp.encode()


def processing_of(request: dict[str, Any], stamp: str) -> Processing | None:
    """Return what a CreateTransformJob request asks for; None where data pass as they are."""
    asked = request.get("DataProcessing", {})
    input_path = parse_path(asked.get("InputFilter", "$"))
    output_path = parse_path(asked.get("OutputFilter", "$"))
    joins = asked.get("JoinSource", "None") == "Input"
    if input_path.is_root and output_path.is_root and not joins and not stamp:
        return None
    media_type = media_type_of(request["TransformInput"].get("ContentType", ""))
    return Processing(media_type, input_path, output_path, joins, stamp)


def media_type_of(text: str) -> str:
    """Return a MIME type without its parameters."""
    return text.partition(";")[0].strip().lower()


def fields(line: bytes) -> list[bytes]:
    """Return the fields of a line of CSV (RFC 4180) as they stand there, quotes included."""
    if b'"' not in line:
        return line.split(b",")
    found = []
    position = 0
    while True:
        matched = _FIELD.match(line, position)
        assert matched is not None  # it matches nothing, too
        found.append(matched.group())
        position = matched.end() + 1
        if position > len(line):
            return found


def _row(path: JsonPath, values: list[bytes]) -> bytes:
    selected = path.select(values)
    return selected if isinstance(selected, bytes) else b",".join(selected)


def _document(record: bytes) -> Any:
    try:
        return orjson.loads(record)
    except orjson.JSONDecodeError as error:
        raise bad_data(f"A record is no valid JSON: {error}") from None


def _answered(answer: bytes) -> Any:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise FileFailure(
            "AlgorithmError", f"The algorithm's answer is no valid JSON: {error}"
        ) from None


def _joined(record: Any, output: Any) -> dict[str, Any]:
    if isinstance(record, dict):
        return record | {"SageMakerOutput": output}
    return {"SageMakerInput": record, "SageMakerOutput": output}
