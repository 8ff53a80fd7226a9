"""The pages in `docs/` say what the code says, and nothing a user can call is missing there."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sagebrush.algorithms import algorithm_names, card_of
from sagebrush.algorithms.card import load_attribute
from sagebrush.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Return the program behind `make docs`."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module("generate_docs")
    finally:
        sys.path.remove(str(ROOT / "tools"))


def test_generated_pages_are_up_to_date(generator: ModuleType) -> None:
    stale = [str(path.relative_to(ROOT)) for path in generator.stale_pages()]
    assert not stale, f"run `make docs` and commit {stale}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_page_that_names_every_operation_that_works(
    generator: ModuleType, service: str
) -> None:
    page = (DOCS / "services" / f"{service}.md").read_text("utf-8")
    operations = generator.supported_operations(service)
    assert operations
    for operation in operations:
        assert f"| `{operation}` | works |" in page
    assert "Limits" in generator.notes_path(service).read_text("utf-8")
    assert f"]({service}.md)" in (DOCS / "services" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", algorithm_names())
def test_an_algorithm_has_a_page_and_every_hyperparameter_a_meaning(name: str) -> None:
    card = card_of(name)
    page = (DOCS / "algorithms" / f"{name}.md").read_text("utf-8")
    for field in load_attribute(card.hyperparameters).fields:
        if not field.hidden:
            assert f"| `{field.name}` |" in page
            assert field.description, f"{field.name} is not described"
    for channel in card.channels:
        assert f"| `{channel.name}` |" in page
    assert name in (DOCS / "README.md").read_text("utf-8")


def test_commands_and_options_say_what_they_do(generator: ModuleType) -> None:
    page = (DOCS / "command-line.md").read_text("utf-8")
    for command, parser in generator.command_parsers().items():
        section = page.partition(f"## `sagebrush {command}`")[2].partition("\n## ")[0]
        assert section
        for action in parser._actions:
            assert action.help, f"sagebrush {command}: {action.dest} has no help"
            for option in action.option_strings:
                assert f"`{option}" in section or action.help == "==SUPPRESS=="


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{target} does not exist"


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text("utf-8").count("\n") < 150


def test_the_figures_become_a_table(generator: ModuleType) -> None:
    figures = {
        "machine": "Linux-6.1-x86_64",
        "cpus": 2,
        "control": {"sagebrush": {"per_second": 900.0}, "moto_server": {"per_second": 30.0}},
        "objects": {
            "sagebrush": {"1 KiB": {"put_per_s": 50.0, "get_per_s": 80.0}},
            "moto_server": {"1 KiB": {"put_per_s": 5.0, "get_per_s": 4.0}},
            "ministack": {"not_measured": "does not install"},
        },
    }
    readme = "before\n<!-- figures -->\nold\n<!-- /figures -->\nafter"
    filled = generator.figures_table.filled(readme, figures)
    assert filled.startswith("before\n<!-- figures -->\n| figure |")
    assert filled.endswith("<!-- /figures -->\nafter")
    assert "old" not in filled
    assert "| ListTrainingJobs, 10 jobs | 900/s | moto_server 30/s (**30.0×**) |" in filled
    assert "| S3 GET, 1 KiB | 80/s | moto_server 4.0/s (**20.0×**) |" in filled
    assert "Measured on Linux with 2 CPUs." in filled


def test_the_algorithms_comparison_becomes_a_page_and_rows(generator: ModuleType) -> None:
    comparison = generator.comparison
    figure = {"cpu_s": 1.0, "peak_mb": 60.4}
    measured = {
        "machine": "Linux-6.1-x86_64",
        "cpus": 2,
        "measurements": {
            "pca | sagebrush | 900 | 1": {"seconds": 0.5, **figure},
            "pca | peer | 900 | 1": {"seconds": 1.5, **figure},
            "pca | slow | 900 | 1": {"over_limit_s": 120.0},
        },
        "tasks": {
            "pca": {
                "summary": "ten components",
                "numbers_per_row": 100,
                "sizes": [90, 900],
                "quality_rows": 90,
                "quality": {"name": "variance kept", "higher_is_better": True},
                "contenders": {
                    name: {"growth_exponent": None, "qualities": {"1": 0.8, "2": 0.9}}
                    for name in ("sagebrush", "peer", "slow")
                },
                "targets": [
                    {"verdict": "PASS", "target": "2x faster than peer", "detail": "3.00x"}
                ],
            },
            "not measured": {},
        },
    }
    kept = comparison.condensed(measured)
    page = comparison.page(kept)
    assert "| sagebrush | 0.50 s | 1.00 s | 60 MB |  | 0.85 ± 0.071 |" in page
    assert "| slow | > 120 s |" in page
    assert "- PASS: 2x faster than peer (3.00x)" in page
    assert list(comparison.rows(kept)) == [
        (
            "pca, 900 rows: time, variance kept",
            "0.50 s, 0.85 ± 0.071",
            "peer 1.50 s, 0.85 ± 0.071 (**3.0×**)",
        )
    ]
