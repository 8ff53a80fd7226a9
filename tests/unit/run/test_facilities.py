"""What the probe answers where the kernel refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.run import bubblewrap, facilities, kernel, sandbox


def _refuse(*arguments: object, **options: object) -> None:
    raise PermissionError(1, "refused")


def test_probe_without_namespaces_takes_the_next_best_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "enter", _refuse)
    found = facilities.probe(tmp_path)
    expected = sandbox.BUBBLEWRAP if bubblewrap.available() else sandbox.PROCESS
    assert (found.isolation, found.overlay) == (expected, False), found.reasons
    assert any("user-namespaces" in reason and "refused" in reason for reason in found.reasons)
    assert not list(tmp_path.iterdir())


def test_probe_without_any_sandbox_is_a_plain_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "enter", _refuse)
    monkeypatch.setattr(bubblewrap, "available", lambda: False)
    assert facilities.probe(tmp_path).isolation == sandbox.PROCESS


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
