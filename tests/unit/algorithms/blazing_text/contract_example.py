"""The jobs by which the contract suite knows the algorithm."""

import json

import numpy as np
from tests.unit.algorithms.contract import BadData, Example

LABELS = 3
ROWS = 60


def lines() -> list[tuple[int, str]]:
    """A label and a sentence of words most of which are the label's own."""
    generator = np.random.default_rng(7)
    made = []
    for row in range(ROWS):
        label = row % LABELS
        own = [f"word{label}{each}" for each in generator.integers(0, 8, 9)]
        made.append(
            (label, " ".join([*own, *(f"any{each}" for each in generator.integers(0, 4, 3))]))
        )
    return made


def training_bytes(content_type: str) -> bytes:
    if content_type == "application/x-recordio":
        pairs = [(str(label).encode(), text.encode()) for label, text in lines()]
        return b"".join(frame(each) for pair in pairs for each in pair)
    if content_type == "application/jsonlines":
        rows = [json.dumps({"source": text, "label": label}) for label, text in lines()]
    else:
        rows = [f"__label__{label} {text}" for label, text in lines()]
    return "\n".join([*rows, ""]).encode()


def frame(payload: bytes) -> bytes:
    """A RecordIO record."""
    head = (0xCED7230A).to_bytes(4, "little") + len(payload).to_bytes(4, "little")
    return head + payload + bytes(-len(payload) % 4)


def sentence_bytes(content_type: str) -> bytes:
    return "\n".join([*(text for _, text in lines()), ""]).encode()


def requested(texts: list[str], content_type: str) -> bytes:
    if content_type == "application/jsonlines":
        return "\n".join(json.dumps({"source": text}) for text in texts).encode()
    return json.dumps({"instances": texts}).encode()


def text_request(content_type: str, rows: range) -> bytes:
    return requested([lines()[row][1] for row in rows], content_type)


def word_request(content_type: str, rows: range) -> bytes:
    return requested([lines()[row][1].split()[0] for row in rows], content_type)


def third_row(row: bytes, content_type: str) -> bytes:
    """The training file with this row as its third."""
    rows = training_bytes(content_type).splitlines()
    rows[2] = row
    return b"\n".join([*rows, b""])


LINES = "application/jsonlines"
NO_LABELS = "word vectors are learnt without labels"
BAD_DATA: dict[str, BadData | str] = {
    "ragged_csv": BadData(
        third_row(b'{"source": "a sentence"}', LINES),
        r"row 3 of train/part-0: 'label' is missing",
        LINES,
    ),
    "strings_among_numbers": BadData(
        third_row(b"__label__1 bytes \xff\xfe", "text/plain"),
        r"row 3 of train/part-0: it is not UTF-8 text",
    ),
    "not_finite": BadData(
        third_row(b'{"source": "a sentence", "label": NaN}', LINES), r"row 3 of train/part-0", LINES
    ),
    "label_out_of_range": BadData(
        third_row(b'{"source": "a sentence", "label": 1.5}', LINES),
        r"row 3 of train/part-0: 'label' must be whole numbers or strings",
        LINES,
    ),
    "wrong_feature_dim": "texts have no number of features",
    "single_class": BadData(b"__label__1 some text\n" * 9, r"1 label, at least 2 are needed"),
}


def word_vectors(mode: str, **further: str) -> Example:
    return Example(
        "blazingtext",
        {"mode": mode, "min_count": "1", "vector_dim": "8", "evaluation": "false", **further},
        labelled=False,
        name="-".join([mode, *further]),
        training_bytes=sentence_bytes,
        content_types=("text/plain",),
        request_bytes=word_request,
        channels=("train",),
        bad_data=BAD_DATA | {"label_out_of_range": NO_LABELS, "single_class": NO_LABELS},
        accept_ignored=True,
    )


EXAMPLES = (
    Example(
        "blazingtext",
        {
            "mode": "supervised",
            "min_count": "1",
            "vector_dim": "8",
            "buckets": "1000",
            "learning_rate": "0.5",
        },
        classes=LABELS,
        metrics=("train:accuracy", "validation:accuracy"),
        name="supervised",
        training_bytes=training_bytes,
        request_bytes=text_request,
        accept_ignored=True,
        bad_data=BAD_DATA,
    ),
    word_vectors("batch_skipgram"),
    word_vectors("skipgram"),
    word_vectors("cbow", subwords="true", buckets="1000"),
)
