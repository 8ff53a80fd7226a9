"""The guides and README do what they say: their blocks are executed in order, in a fresh directory.

A fence's words say what happens to a block:

    ```bash run               executed
    ```bash run background    executed and left running; goes on once a server answers
    ```python run             executed by `python`
    ```python file=NAME       written to NAME

All other blocks are only read. `<!-- environment: NAME -->` puts `.envs/NAME`'s programs first.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from sagebrush.base.settings import default_cache_dir

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
TIMEOUT_S = 120
_FENCE = re.compile(r"^```(?P<words>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ENVIRONMENT = re.compile(r"<!-- environment: (\S+) -->")
_FOREIGN = re.compile(r"AWS_|PYTEST_|SAGEBRUSH_|https?_proxy|no_proxy", re.IGNORECASE)
_END = "END_OF_BLOCK"
_HEAD = """\
set -eu
server_answers() {
    for _ in $(seq 150); do sagebrush status >/dev/null 2>&1 && return; sleep 0.1; done
    sagebrush status
}
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: the words behind the fence, the text in it."""

    words: tuple[str, ...]
    text: str

    @property
    def commands(self) -> str:
        """Return what a shell has to do for this block, nothing when it is only to be read."""
        if not self.words:
            return ""
        language, *marks = self.words
        for mark in marks:
            if mark.startswith("file="):
                return f"cat > {mark[5:]} <<'{_END}'\n{self.text}{_END}\n"
        if "run" not in marks:
            return ""
        if language == "python":
            return f"python - <<'{_END}'\n{self.text}{_END}\n"
        assert language == "bash", f"nobody runs {language}"
        if "background" in marks:
            return f"{{\n{self.text}}} &\nserver_answers\n"
        return self.text


def blocks(guide: Path) -> list[Block]:
    """Return the blocks of a guide in their order."""
    found = _FENCE.finditer(guide.read_text("utf-8"))
    return [Block(tuple(match["words"].split()), match["text"]) for match in found]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_does_what_it_says(guide: Path, tmp_path: Path) -> None:
    commands = [block.commands for block in blocks(guide)]
    assert any(commands), "nothing in it is executed"
    script = tmp_path / "guide.sh"
    script.write_text(_HEAD + "\n".join(commands), "utf-8")
    work = tmp_path / "work"
    work.mkdir()
    printed = tmp_path / "printed"
    with printed.open("wb") as output:
        # In a session of its own, so that what a guide leaves running ends with it.
        shell = subprocess.Popen(
            ["bash", script],
            cwd=work,
            env=_environment(guide, tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        code = shell.wait(TIMEOUT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
    assert code == 0, printed.read_text("utf-8", "replace")[-6000:]


def _environment(guide: Path, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    own = [ROOT / ".venv" / "bin", ROOT / ".envs" / "sdk-v2" / "bin"]
    if named := _ENVIRONMENT.search(guide.read_text("utf-8")):
        own.insert(0, ROOT / ".envs" / named[1] / "bin")
    return kept | {
        "PATH": ":".join([*map(str, own), os.environ["PATH"]]),
        "HOME": str(folder),
        "SAGEBRUSH_DATA": str(folder / "data"),
        "SAGEBRUSH_PORT": "0",
        "SAGEBRUSH_CACHE": str(default_cache_dir()),
    }
