"""Lines of a growing file, by offset."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sagebrush.run.tail import LONGEST_LINE_BYTES, Batch, follow, printable, read_batch


def test_read_batch_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_batch(tmp_path / "none", 7) == Batch((), 7)


def test_read_batch_leaves_an_incomplete_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo")
    assert read_batch(log, 0) == Batch(("one",), 4)
    assert read_batch(log, 4) == Batch((), 4)
    assert read_batch(log, 4, ended=True) == Batch(("two",), 7)


def test_read_batch_keeps_empty_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\n\na\n")
    assert read_batch(log, 0).lines == ("", "", "a")


def test_read_batch_splits_a_line_without_end_at_a_character(tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = "a" + "é" * LONGEST_LINE_BYTES
    log.write_text(text)
    offset, pieces = 0, []
    while (batch := read_batch(log, offset, ended=True)).offset > offset:
        offset = batch.offset
        pieces += batch.lines
    assert "".join(pieces) == text
    assert max(len(piece.encode()) for piece in pieces) <= LONGEST_LINE_BYTES


def test_printable_escapes_controls_as_the_log_agent_does() -> None:
    assert printable(b"a\tb\x1b[0m\r") == "a#011b#033[0m#015"


def test_printable_replaces_broken_bytes() -> None:
    assert printable(b"a\xffb") == "a�b"


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])), max_size=20))
def test_read_batch_gives_back_any_lines(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        log = Path(name, "log")
        log.write_text("".join(f"{line}\n" for line in lines), newline="")
        assert list(read_batch(log, 0).lines) == lines


def test_follow_yields_what_is_written_later_and_ends(tmp_path: Path) -> None:
    async def story() -> list[Batch]:
        log, ended, got = tmp_path / "log", asyncio.Event(), []
        log.write_text("first\n")
        async for batch in follow(log, 0, ended.is_set):
            got.append(batch)
            if batch.lines == ("first",):
                with log.open("a") as file:
                    file.write("second\nlast")
            else:
                ended.set()
        return got

    batches = asyncio.run(story())
    assert [line for batch in batches for line in batch.lines] == ["first", "second", "last"]
    assert batches[-1].offset == 17
