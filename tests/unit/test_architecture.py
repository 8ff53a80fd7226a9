"""Dependencies point one way, the server stays light, files stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sagebrush

ROOT = Path(sagebrush.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))

# Layer: the layers it may import, besides itself.
ALLOWED = {
    "base": set(),
    "wire": {"base"},
    "store": {"base"},
    "run": {"base"},
    "engines": {"base", "store", "run"},
    "algorithms": set(),
    "tuning": {"algorithms"},
    "services": {"base", "wire", "store", "run", "engines", "algorithms", "tuning"},
    "gateway": {"base", "wire", "store", "run", "engines", "services"},
}
# What may be at the top of the tree and imports everything, lazily.
TOP = {"cli", "testing", "launch", "demo", "__main__", "__init__"}
HEAVY = {"numpy", "scipy", "pandas", "pyarrow", "xgboost", "sklearn", "torch", "matplotlib"}
FOREIGN = {"botocore", "boto3", "pydantic", "requests"}
MAXIMUM_LINES = 500
MAXIMUM_FUNCTION_LINES = 60


def layer_of(path: Path) -> str:
    """Return the first part of a module's place in the package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Yield the dotted names a file imports (not those for type checking only)."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes: Iterator[ast.AST] = iter(tree.body) if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    layer = layer_of(path)
    if layer in TOP:
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "sagebrush" or len(parts) == 1:
            assert parts[0] not in FOREIGN, f"the server must not import {name}"
            continue
        target = parts[1]
        assert target == layer or target in ALLOWED[layer], f"{layer} must not import {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if layer_of(path) == "services"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_services_do_not_import_each_other(path: Path) -> None:
    inside = path.relative_to(ROOT / "services").parts
    for name in imports(path):
        parts = name.split(".")
        if parts[:2] != ["sagebrush", "services"] or len(parts) < 3:
            continue
        shared = (ROOT / "services" / f"{parts[2]}.py").exists()
        assert shared or parts[2] == inside[0], f"{inside[0]} imports {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if layer_of(path) not in {"algorithms", "tuning", "demo"}],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_scientific_stack_stays_out_of_the_server(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imports(path)} & HEAVY
    assert not heavy, f"imports {heavy}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= MAXIMUM_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAXIMUM_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_the_server_imports_nothing_heavy() -> None:
    program = (
        "import sys, sagebrush.gateway.server, sagebrush.gateway.assembly\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(loaded) & (HEAVY | FOREIGN)
