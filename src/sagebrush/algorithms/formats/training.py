"""Training data of any content type as batches of rows."""

from collections.abc import Iterator

from sagebrush.algorithms.channels import ChannelReader
from sagebrush.algorithms.formats.batch import Batch


def training_batches(
    reader: ChannelReader,
    batch_rows: int,
    *,
    default_content_type: str = "application/x-recordio-protobuf",
    feature_dim: int | None = None,
    default_label_size: int = 1,
) -> Iterator[Batch]:
    """One pass over a channel in batches of exactly ``batch_rows`` rows, the last one shorter.

    Call it once per epoch with the same reader. CSV rows begin with their labels: as many as the
    content type's ``label_size`` says, else ``default_label_size``, corrected by ``feature_dim``
    when the row's width shows that it has none or one. Labels are None when the data has none.
    Memory use is bounded by the batch, not by the data. ClientError names file and row of bad data.
    """
    raise NotImplementedError(reader, batch_rows, default_content_type, feature_dim)
    yield
