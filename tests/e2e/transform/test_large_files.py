"""A file far larger than a payload passes through at constant memory, in order."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.transform.conftest import Transforms

COLUMNS = 1000
ROWS = 25_000
GROWTH_LIMIT_BYTES = 25 << 20


def peak_bytes(pid: int) -> int:
    """Return the most memory a process has had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def test_memory_does_not_grow_with_the_file(transforms: Transforms, tmp_path: Path) -> None:
    centers = [(value,) * COLUMNS for value in (0.0, 2.0)]
    transforms.model("model", transforms.kmeans(*centers))
    zeros, twos = (",".join([digit] * COLUMNS) + "\n" for digit in "02")
    path = tmp_path / "rows.csv"
    path.write_text((zeros + twos) * (ROWS // 2))
    assert path.stat().st_size > 45 << 20
    transforms.client("s3").upload_file(str(path), transforms.bucket, "in/rows.csv")
    process = transforms.server._process
    assert process is not None
    before = peak_bytes(process.pid)
    transforms.create("job", "model", "in/", MaxPayloadInMB=1, MaxConcurrentTransforms=4)
    job = transforms.end("job")
    assert job["TransformJobStatus"] == "Completed", job
    assert peak_bytes(process.pid) - before < GROWTH_LIMIT_BYTES
    (body,) = transforms.outputs("job").values()
    clusters = [line.split(b",")[0] for line in body.splitlines()]
    assert clusters == [b"0.0", b"1.0"] * (ROWS // 2)
