"""Ten kinds of bad data for every built-in algorithm, derived from its contract examples.

An algorithm for which a kind means something else, or nothing, says so in its example's
`bad_data`; see `Example`.
"""

import numpy as np
from tests.unit.algorithms.contract import FEATURE_DIM, BadData, Example, encoded

from sagebrush.algorithms import card_of
from sagebrush.algorithms.card import load_attribute
from sagebrush.algorithms.formats.record_fields import DEFAULT_KEY, FEATURES
from sagebrush.algorithms.formats.recordio import frame
from sagebrush.algorithms.formats.recordio_protobuf_writer import map_entry

KINDS = (
    "empty_channel",
    "ragged_csv",
    "strings_among_numbers",
    "not_finite",
    "label_out_of_range",
    "wrong_feature_dim",
    "single_class",
    "truncated_recordio",
    "wrong_content_type",
    "missing_hyperparameter",
)
LABEL_KINDS = ("label_out_of_range", "single_class")
RECORDIO = "application/x-recordio-protobuf"
CSV = "text/csv"


_ONE_CLASS = r"All labels of the train channel are 1\..*classes|at least two distinct labels"


def bad_data_of(example: Example, kind: str) -> BadData | str:
    """A kind of bad data for an example, or in words why there is none.

    AssertionError if it cannot be derived and the example does not declare it.
    """
    if kind in example.bad_data:
        return example.bad_data[kind]
    derived = _DERIVED[kind](example)
    assert derived is not None, (
        f"declare bad_data[{kind!r}] on the examples of {example.algorithm}: a BadData, or a"
        " sentence why there is none"
    )
    return derived


def train_types(example: Example) -> tuple[str, ...]:
    channel = card_of(example.algorithm).channel("train")
    assert channel is not None
    return example.content_types or channel.content_types


def _empty_channel(_example: Example) -> BadData:
    """One object of no bytes; a prefix without objects is refused at CreateTrainingJob."""
    return BadData(b"", r"(?i)no data\b.*\btrain|\btrain\b.*\b(holds no|is empty|no data)\b")


def _ragged_csv(example: Example) -> BadData | None:
    """A csv file whose third row lacks its last cell, or a record with a number less."""
    if not example.numeric:
        return None
    if CSV in train_types(example):
        lines = _csv(example).splitlines(keepends=True)
        lines[2] = lines[2].rpartition(b",")[0] + b"\n"
        columns = FEATURE_DIM + example.labelled
        reason = rf"row 3 of train/part-0: it has {columns - 1} columns, expected {columns}\."
        return BadData(b"".join(lines), reason, _csv_type(example))
    features, labels = _rows(example)
    body = encoded(RECORDIO, features[:2], labels[:2] if labels is not None else None)
    body += encoded(RECORDIO, features[2:, :-1], labels[2:] if labels is not None else None)
    return BadData(body, rf"train/part-0.*\b{FEATURE_DIM - 1}\b.*\b{FEATURE_DIM}\b", RECORDIO)


def _strings(example: Example) -> BadData | None:
    if not example.numeric:
        return None
    if CSV in train_types(example):
        lines = _csv(example).splitlines(keepends=True)
        lines[2] = lines[2].rpartition(b",")[0] + b",word\n"
        column = FEATURE_DIM + example.labelled
        reason = rf"row 3 of train/part-0: column {column} holds 'word', which is not a number"
        return BadData(b"".join(lines), reason, _csv_type(example))
    # A Value whose kind is bytes (field 9), as for images.
    text = b"\x4a\x06\x0a\x04word"
    body = example.training(RECORDIO) + frame(map_entry(FEATURES, DEFAULT_KEY, text))
    return BadData(body, r"record 60 of train/part-0.*bytes", RECORDIO)


def _not_finite(example: Example) -> BadData | None:
    if not example.numeric:
        return None
    features, labels = _rows(example)
    features[2, 1] = np.nan
    kind, body = _written(example, features, labels)
    return BadData(body, r"(Example|row) 3 of train/part-0\b.*(not a finite number|NaN)", kind)


def _label_out_of_range(example: Example) -> BadData | str | None:
    if not example.numeric:
        return None
    if not example.labelled:
        return "the algorithm reads no labels"
    features, labels = _rows(example)
    assert labels is not None
    bad = -1.0 if example.classes else float("nan")
    labels[2] = bad
    kind, body = _written(example, features, labels)
    told = rf"(is |that is )?({bad:g}\b|not a finite number|missing)"
    return BadData(body, rf"(Example|row) 3 of train/part-0\b.* label {told}", kind)


def _wrong_feature_dim(example: Example) -> BadData | None:
    """Another width than the hyperparameter says, or than the validation channel's."""
    if "feature_dim" in example.hyperparameters:
        wrong = {"feature_dim": str(FEATURE_DIM + 3)}
        reason = rf"train/part-0.*\b{FEATURE_DIM}\b.*\b{FEATURE_DIM + 3}\b"
        return BadData(None, reason, None, wrong)
    if not example.numeric or card_of(example.algorithm).channel("validation") is None:
        return None
    features, labels = _rows(example)
    kind, body = _written(example, features, labels)
    _, wider = _written(example, np.hstack([features, features]), labels)
    reason = r"(?i)validation.*(columns|features)|(columns|features).*validation"
    return BadData(body, reason, kind, channels={"validation": wider})


def _single_class(example: Example) -> BadData | str | None:
    if not example.numeric:
        return None
    if not example.classes:
        return "the labels are no classes"
    features, labels = _rows(example)
    assert labels is not None
    kind, body = _written(example, features, np.ones_like(labels))
    return BadData(body, _ONE_CLASS, kind)


def _truncated(example: Example) -> BadData | str | None:
    if RECORDIO not in train_types(example):
        return "the algorithm reads no RecordIO"
    body = example.training(RECORDIO)[:-5]
    return BadData(body, r"record \d+ of train/part-0: the data ends inside the record", RECORDIO)


def _wrong_content_type(example: Example) -> BadData:
    return BadData(example.training(None), r"image/png", "image/png")


def _missing_hyperparameter(example: Example) -> BadData | None:
    required = [
        field.name
        for field in load_attribute(card_of(example.algorithm).hyperparameters).fields
        if field.required
    ]
    if not required:
        return "every hyperparameter has a default"
    return BadData(
        None, rf"\b{required[0]}\b.*required|required.*\b{required[0]}\b", None, {required[0]: None}
    )


_DERIVED = {
    "empty_channel": _empty_channel,
    "ragged_csv": _ragged_csv,
    "strings_among_numbers": _strings,
    "not_finite": _not_finite,
    "label_out_of_range": _label_out_of_range,
    "wrong_feature_dim": _wrong_feature_dim,
    "single_class": _single_class,
    "truncated_recordio": _truncated,
    "wrong_content_type": _wrong_content_type,
    "missing_hyperparameter": _missing_hyperparameter,
}
assert tuple(_DERIVED) == KINDS


def _written(
    example: Example, features: np.ndarray, labels: np.ndarray | None
) -> tuple[str, bytes]:
    """The rows in RecordIO, or else in the first type that the algorithm reads, with its name."""
    kind = RECORDIO if RECORDIO in train_types(example) else train_types(example)[0]
    return kind, encoded(kind, features, labels)


def _csv(example: Example) -> bytes:
    features, labels = _rows(example)
    return encoded(CSV, features, labels)


def _csv_type(example: Example) -> str:
    return CSV if example.labelled else f"{CSV};label_size=0"


def _rows(example: Example) -> tuple[np.ndarray, np.ndarray | None]:
    features, labels = example.rows()
    return features.copy(), labels.copy() if example.labelled else None
