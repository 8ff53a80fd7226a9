"""A small job by which the contract suite knows a way in which an algorithm trains."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from sagebrush.algorithms import card_of
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense

FEATURE_DIM = 4


@dataclass(frozen=True)
class BadData:
    """A train channel, or hyperparameters, with which a job must fail; `reason` is a regex.

    It is searched in the job's FailureReason and must name the cause: file, row or record, field,
    value. `data` None is the example's own training file; `content_type` None its default type;
    a hyperparameter None is left out. `channels` are further channels by name.
    """

    data: bytes | None
    reason: str
    content_type: str | None = None
    hyperparameters: dict[str, str | None] = field(default_factory=dict)
    channels: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """Hyperparameters, how many classes the labels have (0 for a real label), expected metrics.

    An algorithm whose rows are not FEATURE_DIM numbers encodes its own: ``training_bytes`` gets a
    content type and ``request_bytes`` a content type and the numbers of the rows to ask about.
    ``counts`` says that features are counts, whole numbers from zero.
    ``keeping_model_on_stop`` are further hyperparameters with which a stopped job leaves a model.
    ``bad_data`` has the kinds of `bad_data.KINDS` that cannot be derived from the example, or mean
    something else here: the equivalent, or a sentence why the algorithm has none.
    ``large_data`` are hyperparameters for a pass over data larger than memory, besides the wider
    ``feature_dim``, 5000 rows for a ``mini_batch_size`` and one of ``epochs``; or a sentence why
    the algorithm needs memory for all its data although it reads pipes. ``large_rows`` makes some
    of these rows where `training` would make them slow; ``large_image_tag`` is the image's.
    ``content_types`` and ``channels`` are those of this way of training, where the algorithm's
    other ways have more; ``accept_ignored`` says that an answer has the content type of its
    request.
    """

    algorithm: str
    hyperparameters: dict[str, str]
    classes: int = 0
    metrics: tuple[str, ...] = ()
    labelled: bool = True
    name: str = ""
    counts: bool = False
    keeping_model_on_stop: dict[str, str] = field(default_factory=dict)
    training_bytes: Callable[[str], bytes] | None = None
    request_bytes: Callable[[str, range], bytes] | None = None
    bad_data: dict[str, BadData | str] = field(default_factory=dict)
    large_data: dict[str, str] | str = field(default_factory=dict)
    large_rows: Callable[[], bytes] | None = None
    large_image_tag: str = "1"
    content_types: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    accept_ignored: bool = False

    @property
    def numeric(self) -> bool:
        """Whether a row is FEATURE_DIM numbers."""
        return self.training_bytes is None

    def training(self, content_type: str | None) -> bytes:
        """The training file in a content type; None is the channel's default."""
        kind = (content_type or card_of(self.algorithm).default_content_type).partition(";")[0]
        if self.training_bytes is not None:
            return self.training_bytes(kind)
        features, labels = self.rows()
        return encoded(kind, features, labels if self.labelled else None)

    def request(self, content_type: str, rows: range) -> bytes:
        """An inference request about some of the rows."""
        if self.request_bytes is not None:
            return self.request_bytes(content_type, rows)
        return encoded(content_type, self.rows()[0][rows.start : rows.stop], None)

    def rows(self, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
        """Learnable data: (count, FEATURE_DIM) float32 features and labels."""
        generator = np.random.default_rng(7)
        features = generator.normal(size=(count, FEATURE_DIM)).astype(np.float32).round(3)
        if self.counts:
            features = np.abs(4 * features).round()
        score = features @ np.array([2.0, -1.0, 0.5, 0.0], np.float32)
        if self.classes == 0:
            return features, score.round(3)
        edges = np.quantile(score, np.linspace(0, 1, self.classes + 1)[1:-1])
        return features, np.searchsorted(edges, score).astype(np.float32)


SHORT_NAMES = {
    "csv": "text/csv",
    "libsvm": "text/libsvm",
    "text/x-libsvm": "text/libsvm",
    "parquet": "application/x-parquet",
    "recordio-protobuf": "application/x-recordio-protobuf",
}


def csv(rows: np.ndarray) -> bytes:
    return "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()).encode()


def encoded(content_type: str, features: np.ndarray, labels: np.ndarray | None) -> bytes:
    """Rows in a training or inference content type; without labels where they are None."""
    kind = SHORT_NAMES.get(content_type, content_type)
    out = io.BytesIO()
    if kind == "text/csv":
        return csv(features if labels is None else np.column_stack([labels, features]))
    if kind == "text/libsvm":
        heads = ["0"] * len(features) if labels is None else [repr(float(each)) for each in labels]
        pairs = [" ".join(f"{i}:{v!r}" for i, v in enumerate(row)) for row in features.tolist()]
        return "".join(f"{h} {p}\n" for h, p in zip(heads, pairs, strict=True)).encode()
    if kind == "application/x-recordio-protobuf":
        write_dense(out, features, None if labels is None else labels.astype(np.float32))
        return out.getvalue()
    if kind == "application/x-parquet":
        assert labels is not None
        table = np.column_stack([labels, features])
        pa.parquet.write_table(pa.table({str(i): c for i, c in enumerate(table.T)}), out)
        return out.getvalue()
    instances = [{"features": row} for row in features.tolist()]
    if kind == "application/jsonlines":
        return "\n".join(map(json.dumps, instances)).encode()
    assert kind == "application/json", content_type
    return json.dumps({"instances": instances}).encode()
