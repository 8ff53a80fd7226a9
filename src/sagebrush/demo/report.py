"""The demonstration's report: one HTML file that needs nothing else."""

from __future__ import annotations

import html
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sagebrush import __version__
from sagebrush.demo import plots

if TYPE_CHECKING:
    from sagebrush.demo.journey import Outcome

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin:2.5rem 0 .2rem;border-top:1px solid #8884;padding-top:1.5rem}
.story{opacity:.75;margin:0 0 1rem}.plots{display:flex;flex-wrap:wrap;gap:1rem}
.plots svg{flex:1 1 400px;max-width:470px;font:11px system-ui,sans-serif}
svg text:not([fill]){fill:currentColor}.t{font-weight:600;font-size:13px}
table{border-collapse:collapse}td,th{padding:.25rem .9rem .25rem 0;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#c0392b}
"""


def write_report(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write the report, whole or not at all."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>Sagebrush demo</title><style>{_STYLE}</style>",
        "<h1>Three SageMaker algorithms, trained and served on this machine</h1>",
        _machine(),
        _summary(outcomes),
        *(_section(outcome) for outcome in outcomes),
        "</html>",
    ]
    temporary = path.with_name(path.name + ".part")
    temporary.write_text("\n".join(parts), "utf-8")
    temporary.replace(path)


def _machine() -> str:
    return (
        f"<p class=story>Sagebrush {__version__}, Python {platform.python_version()},"
        f" {platform.system()} {platform.machine()}, {time.strftime('%Y-%m-%d %H:%M')}.</p>"
    )


def _summary(outcomes: Sequence[Outcome]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(outcome.study.title)}<td>{html.escape(outcome.study.algorithm)}"
        f"<td>{html.escape(outcome.status)}<td class=n>{outcome.job_s:.2f} s"
        f"<td class=n>{outcome.deploy_s:.2f} s<td class=n>{outcome.invoke_ms:.1f} ms"
        for outcome in outcomes
    )
    return (
        "<table><tr><th>data<th>algorithm<th>job<th>training job<th>endpoint in service"
        f"<th>one prediction{rows}</table>"
    )


def _section(outcome: Outcome) -> str:
    study = outcome.study
    parts = [
        f"<h2>{html.escape(study.title)}: {html.escape(study.algorithm)}</h2>",
        f"<p class=story>{html.escape(study.story)}</p>",
    ]
    if outcome.status != "Completed":
        parts.append(f"<p class=bad>{html.escape(outcome.status)}: {html.escape(outcome.failure)}")
        return "".join(parts)
    parts.append("<table><tr><th>on held-out rows<th>model<th>without a model")
    parts.extend(
        f"<tr><td>{html.escape(score.name)}"
        f"<td class=n>{score.value:.3f}<td class=n>{score.baseline:.3f}"
        for score in outcome.scores
    )
    parts.append("</table><div class=plots>")
    if outcome.curves:
        unit = "round" if study.kind == "classification" else "epoch"
        parts.append(plots.curves("Training", outcome.curves, unit))
    parts.append(_result_plot(outcome))
    parts.append("</div>")
    if outcome.metrics:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in outcome.metrics.items())
        parts.append(f"<p class=story>Final metrics of the job: {html.escape(figures)}</p>")
    return "".join(parts)


def _result_plot(outcome: Outcome) -> str:
    if outcome.study.kind == "regression":
        return plots.predicted_against_true(outcome.truth, outcome.predicted)
    if outcome.study.kind == "clustering":
        return plots.cluster_counts(outcome.truth, outcome.predicted)
    return plots.receiver_operating_characteristic(outcome.truth, outcome.predicted)
