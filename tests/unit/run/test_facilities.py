"""What the probe answers where the kernel refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.run import bubblewrap, facilities, kernel, sandbox
from sagebrush.run.facilities import Facilities


def _refuse(*arguments: object, **options: object) -> None:
    raise PermissionError(1, "refused")


def _probe_elsewhere(directory: Path, *, with_bubblewrap: bool) -> Facilities:
    """Probe in a process of its own, as the server does: a test runner's has threads that no
    fork survives.
    """
    program = f"""
import json, dataclasses, pathlib
from sagebrush.run import bubblewrap, facilities, sandbox
def refuse(*arguments, **options):
    raise PermissionError(1, "refused")
sandbox.enter = refuse
if not {with_bubblewrap}:
    bubblewrap.available = lambda: False
found = facilities.probe(pathlib.Path({str(directory)!r}))
print(json.dumps(dataclasses.asdict(found)))
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return Facilities.from_json(finished.stdout.encode())


def test_probe_without_namespaces_takes_the_next_best_and_says_why(tmp_path: Path) -> None:
    found = _probe_elsewhere(tmp_path, with_bubblewrap=True)
    expected = sandbox.BUBBLEWRAP if bubblewrap.available() else sandbox.PROCESS
    assert (found.isolation, found.overlay) == (expected, False), found.reasons
    assert any("user-namespaces" in reason and "refused" in reason for reason in found.reasons)
    assert not list(tmp_path.iterdir())


def test_probe_without_any_sandbox_is_a_plain_process(tmp_path: Path) -> None:
    assert _probe_elsewhere(tmp_path, with_bubblewrap=False).isolation == sandbox.PROCESS


def test_probe_without_overlays_still_sandboxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = facilities.probe(tmp_path)
    if not usual.overlay:
        pytest.skip(f"no overlays here anyway: {usual.reasons}")
    mount = kernel.mount

    def without_overlays(
        source: str, target: str, kind: str | None = None, flags: int = 0, options: str = ""
    ) -> None:
        if kind == "overlay":
            _refuse()
        mount(source, target, kind, flags, options)

    monkeypatch.setattr(kernel, "mount", without_overlays)
    found = facilities.probe(tmp_path)
    assert (found.isolation, found.overlay) == (usual.isolation, False)
    assert any("with overlays" in reason for reason in found.reasons)


def test_probe_off_linux_is_a_plain_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    found = facilities.probe(tmp_path)
    assert found.isolation == sandbox.PROCESS
    assert "namespaces: Linux only" in found.reasons
