"""What is packed, that it is reproducible, and that links lead nowhere."""

from __future__ import annotations

import os
import socket
import tarfile
from pathlib import Path

import pytest

from sagebrush.run.archive import make, open_beneath, read_beneath
from sagebrush.run.spec import Archive

_PLAN = Archive("out.tar.gz", ("ml/model",))


def _contents(path: Path) -> dict[str, bytes | None]:
    with tarfile.open(path) as archive:
        found = {}
        for entry in archive.getmembers():
            file = archive.extractfile(entry) if entry.isfile() else None
            found[entry.name] = file.read() if file else None
        return found


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "ml/model/sub/empty").mkdir(parents=True)
    (tmp_path / "ml/model/b").write_bytes(b"bytes")
    (tmp_path / "ml/model/sub/a").write_bytes(b"more")
    return tmp_path


def test_make_packs_the_tree(job: Path) -> None:
    size = make(_PLAN, str(job))
    archive = job / "out.tar.gz"
    assert size == archive.stat().st_size
    assert _contents(archive) == {"b": b"bytes", "sub": None, "sub/a": b"more", "sub/empty": None}
    assert sorted(path.name for path in job.iterdir()) == ["ml", "out.tar.gz"]


def test_make_gives_the_same_bytes_for_the_same_content(job: Path) -> None:
    make(_PLAN, str(job))
    first = (job / "out.tar.gz").read_bytes()
    for path in (job / "ml/model/b", job / "ml/model/sub"):
        os.utime(path, (1, 1))
    make(_PLAN, str(job))
    assert (job / "out.tar.gz").read_bytes() == first


def test_make_keeps_modes_and_links_as_links(job: Path) -> None:
    (job / "ml/model/b").chmod(0o4751)
    (job / "ml/model/link").symlink_to("/etc/passwd")
    make(_PLAN, str(job))
    with tarfile.open(job / "out.tar.gz") as archive:
        assert archive.getmember("b").mode == 0o751
        assert archive.getmember("link").linkname == "/etc/passwd"


@pytest.mark.parametrize("linked", ["ml", "ml/model"])
def test_make_follows_no_link_on_the_way(job: Path, linked: str) -> None:
    secret = job / "secret" / "model"
    secret.mkdir(parents=True)
    (secret / "key").write_text("hush")
    (job / linked).rename(job / "moved")
    (job / linked).symlink_to(secret if linked == "ml/model" else secret.parent)
    make(_PLAN, str(job))
    assert _contents(job / "out.tar.gz") == {}


def test_make_skips_pipes_and_sockets(job: Path) -> None:
    os.mkfifo(job / "ml/model/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(job / "ml/model/socket"))
        make(_PLAN, str(job))
    assert set(_contents(job / "out.tar.gz")) == {"b", "sub", "sub/a", "sub/empty"}


def test_make_merges_roots_and_adds_single_files(job: Path) -> None:
    (job / "ml/data").mkdir()
    (job / "ml/data/x").write_bytes(b"x")
    (job / "ml/failure").write_text("reason")
    plan = Archive("o.tar.gz", ("ml/data", "ml/none"), ("ml/failure", "ml/absent"), 0)
    make(plan, str(job))
    assert _contents(job / "o.tar.gz") == {"x": b"x", "failure": b"reason"}


def test_make_skips_an_empty_archive_on_request(job: Path) -> None:
    assert make(Archive("o.tar.gz", ("ml/none",), skip_empty=True), str(job)) is None
    assert make(Archive("p.tar.gz", ("ml/none",)), str(job)) is not None
    assert sorted(path.name for path in job.iterdir()) == ["ml", "p.tar.gz"]


def test_make_leaves_nothing_when_it_fails(job: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make(Archive("no/such/directory/o.tar.gz", ("ml/model",)), str(job))
    assert [path.name for path in job.iterdir()] == ["ml"]


def test_read_beneath_reads_plain_files_only(job: Path) -> None:
    (job / "link").symlink_to(job / "ml/model/b")
    os.mkfifo(job / "pipe")
    assert read_beneath(str(job), "ml/model/b", 3) == b"byt"
    assert read_beneath(str(job), "link", 3) is None
    assert read_beneath(str(job), "pipe", 3) is None
    assert read_beneath(str(job), "ml", 3) is None
    assert open_beneath(str(job), "ml/none") is None
