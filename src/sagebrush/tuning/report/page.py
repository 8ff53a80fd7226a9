"""Puts a report together."""

import html

from sagebrush.tuning.bayesian import Observation
from sagebrush.tuning.importance import parameter_importance
from sagebrush.tuning.report import plots
from sagebrush.tuning.report.document import ReportedSearch, ReportedTrial, ReportRequest
from sagebrush.tuning.report.drawing import number

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{margin:2.2rem 0 .4rem;border-top:1px solid #8884;padding-top:1.2rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{opacity:.7}dd{margin:0}
.plots{display:flex;flex-wrap:wrap;gap:1rem}.plots svg{flex:1 1 460px;max-width:575px}
svg{font:11px system-ui,sans-serif}svg text{fill:currentColor}.t{font-weight:600;font-size:13px}
.g{stroke:#8883}.a{stroke:#888a}.wide svg{width:100%}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .8rem .2rem 0;text-align:left;white-space:nowrap}td.n{text-align:right}
tr.best td{font-weight:600}.none{opacity:.6}
"""
_MOST_SLICES = 6


def report_page(request: ReportRequest) -> str:
    """The report as an HTML document that refers to nothing outside itself."""
    facts = "".join(
        f"<dt>{html.escape(name)}<dd>{html.escape(words)}" for name, words in request.facts.items()
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>{html.escape(request.title)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(request.title)}</h1><dl>{facts}</dl>",
        *(_section(search) for search in request.searches),
        "</html>",
    ]
    return "\n".join(parts)


def _section(search: ReportedSearch) -> str:
    shares = _importance(search)
    ranked = sorted(shares, key=lambda name: -shares[name])[:_MOST_SLICES]
    drawings = [
        plots.objective_over_trials(search),
        plots.importance(shares),
        plots.learning_curves(search),
        *(plots.slices(search, name) for name in ranked),
    ]
    if not any(drawings):
        drawings = ["<p class=none>No trial told the objective, so there is nothing to plot.</p>"]
    return "\n".join(
        [
            f"<h2>{html.escape(search.title)}</h2><div class=plots>",
            *drawings,
            f"</div><div class=wide>{plots.parallel_coordinates(search)}</div>",
            _table(search),
        ]
    )


def _importance(search: ReportedSearch) -> dict[str, float]:
    sign = 1.0 if search.direction == "Minimize" else -1.0
    observed = [
        Observation(search.space.parse(trial.hyperparameters), sign * trial.objective)
        for trial in search.trials
        if trial.objective is not None
    ]
    return parameter_importance(search.space, observed)


def _table(search: ReportedSearch) -> str:
    names = [parameter.name for parameter in search.space.parameters]
    head = "".join(
        f"<th>{html.escape(each)}" for each in ("trial", "status", search.metric, *names, "time")
    )
    sign = 1.0 if search.direction == "Minimize" else -1.0

    def order(trial: ReportedTrial) -> tuple[bool, float]:
        value = trial.objective
        return value is None, 0.0 if value is None else sign * value

    rows = [_row(trial, names) for trial in sorted(search.trials, key=order)]
    if rows and any(trial.objective is not None for trial in search.trials):
        rows[0] = rows[0].replace("<tr>", "<tr class=best>", 1)
    return f"<div class=scroll><table><tr>{head}{''.join(rows)}</table></div>"


def _row(trial: ReportedTrial, names: list[str]) -> str:
    objective = "" if trial.objective is None else number(trial.objective)
    duration = "" if trial.duration_s is None else f"{trial.duration_s:.1f} s"
    status = html.escape(trial.status)
    if trial.reason:
        status = f'<span title="{html.escape(trial.reason)}">{status}</span>'
    cells = "".join(f"<td>{html.escape(trial.hyperparameters.get(name, ''))}" for name in names)
    return (
        f"<tr><td>{html.escape(trial.name)}<td>{status}<td class=n>{objective}{cells}"
        f"<td class=n>{duration}"
    )
