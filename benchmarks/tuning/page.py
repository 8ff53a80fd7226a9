"""The result as a table for the terminal and as an HTML page that needs nothing else."""

from __future__ import annotations

import html
import io
import platform
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.tuning.campaign import TIMING, Measurement, Plan, Store
from benchmarks.tuning.contenders import OURS
from benchmarks.tuning.halving import SCHEDULERS
from benchmarks.tuning.judgement import (
    CHECKPOINTS,
    GROUPS,
    LEAST_SEEDS,
    Duel,
    Verdict,
    duels,
    group_of,
    halving_losses,
    judge,
)
from benchmarks.tuning.ranking import Curves, standing
from benchmarks.tuning.timing import OBSERVATIONS

Rows = list[list[str]]
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; color: #222 }
table { border-collapse: collapse; margin: .6rem 0 1.6rem }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left }
svg { max-width: 100%; height: auto } .PASS { color: #1a7f37 } .MISS { color: #b42318 }
"""


def tables(plan: Plan, store: Store) -> list[tuple[str, Rows]]:
    """Return titles and tables: the first row of each is its head."""
    found = [("Targets", _verdict_rows(judge(plan, store)))]
    for at_once in plan.at_once:
        for name, real in GROUPS.items():
            title = f"{name}, {at_once} at once"
            pairs = duels(plan, store, real, at_once)
            if pairs:
                found.append((f"{OURS} beside one rival at a time on {title}", _duel_rows(pairs)))
            races = group_of(plan, store, real, at_once)
            if races:
                found.append((f"Mean ranks on {title}", _rank_rows(races)))
                found.append((f"Median regret on {title}", _regret_rows(races)))
    found.append(("Milliseconds for a suggestion", _timing_rows(plan, store)))
    found.append(("Loss at equal cost: XGBoost, breast cancer", _halving_rows(plan, store)))
    return found


def text(title: str, rows: Rows) -> str:
    """Return a table for the terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "   " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([title, *(line.rstrip() for line in lines), ""])


def page(plan: Plan, store: Store) -> str:
    """Return the HTML page: targets, tables, regret curves with quartiles."""
    parts = ["<h1>Tuning beside the peers</h1>", f"<p>{html.escape(_subject(plan))}</p>"]
    parts += [f"<h2>{html.escape(title)}</h2>{_table(rows)}" for title, rows in tables(plan, store)]
    for at_once in plan.at_once:
        races = [each for real in GROUPS.values() for each in group_of(plan, store, real, at_once)]
        if races:
            parts.append(f"<h2>Regret, {at_once} at once: medians and quartiles over seeds</h2>")
            parts.append(_plot(races))
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Tuning beside the peers'
        f"</title><style>{_STYLE}</style><body>{body}</body></html>\n"
    )


def _subject(plan: Plan) -> str:
    return (
        f"{platform.platform()}, Python {platform.python_version()}, one thread. Up to {plan.seeds}"
        " seeds; only seeds that every contender has run count, or for one rival at a time those"
        " that both have run, however many. Less is better everywhere; ranks"
        f" are means over problems, seeds and {', '.join(map(str, CHECKPOINTS))} evaluations."
    )


def _verdict_rows(verdicts: Iterable[Verdict]) -> Rows:
    return [["", "target", "measured"], *([v.verdict, v.target, v.detail] for v in verdicts)]


def _rank_rows(races: Sequence[Curves]) -> Rows:
    ours = OURS if OURS in races[0].contenders else races[0].contenders[0]
    overall = standing(races, ours, CHECKPOINTS)
    longest = max(each.regrets.shape[2] for each in races)
    reached = [each for each in CHECKPOINTS if each <= longest]
    single = [standing(races, ours, [each]) for each in reached]
    rows = [["contender", "mean rank", *(f"after {each}" for each in reached), f"behind {ours}"]]
    for index in np.argsort(overall.ranks):
        low, high = overall.behind[index]
        rows.append(
            [
                overall.contenders[index],
                f"{overall.ranks[index]:.2f}",
                *(f"{each.ranks[index]:.2f}" for each in single),
                "" if overall.contenders[index] == ours else f"{low:+.2f} to {high:+.2f}",
            ]
        )
    return rows


def _duel_rows(pairs: Sequence[Duel]) -> Rows:
    rows = [["rival", "its mean rank", "ours", "behind, 95 %", "seeds", "races"]]
    for each in pairs:
        low, high = each.behind
        behind = f"{low:+.2f} to {high:+.2f}" if each.least_seeds >= LEAST_SEEDS else "few seeds"
        ranks = (f"{each.ranks[1]:.2f}", f"{each.ranks[0]:.2f}")
        rows.append([each.rival, *ranks, behind, str(each.least_seeds), str(each.races)])
    return rows


def _regret_rows(races: Sequence[Curves]) -> Rows:
    rows = [["problem", "seeds", "after", *races[0].contenders]]
    for curves in races:
        for evaluations in (each for each in CHECKPOINTS if each <= curves.regrets.shape[2]):
            medians = np.median(curves.at(evaluations), axis=1)
            cells = [f"{each:.2g}" for each in medians]
            rows.append([curves.problem, str(len(curves.seeds)), str(evaluations), *cells])
    return rows


def _timing_rows(plan: Plan, store: Store) -> Rows:
    rows = [["contender", *(f"after {each}" for each in OBSERVATIONS)]]
    for name in plan.contenders:
        found = [
            store.figure(Measurement(TIMING, name, 1, observations=each)) for each in OBSERVATIONS
        ]
        rows.append(
            [
                name,
                *(f"{each['ask_ms']:.3g}" if each and "ask_ms" in each else "-" for each in found),
            ]
        )
    return rows


def _halving_rows(plan: Plan, store: Store) -> Rows:
    rows = [["method", "seeds", "median", "quartiles"]]
    for name in SCHEDULERS:
        losses = list(halving_losses(plan, store, name).values())
        if losses:
            low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75])
            rows.append([name, str(len(losses)), f"{middle:.4f}", f"{low:.4f} to {high:.4f}"])
    return rows


def _table(rows: Rows) -> str:
    def line(tag: str, cells: list[str]) -> str:
        escaped = [html.escape(cell) for cell in cells]
        inner = "".join(f'<{tag} class="{cell}">{cell}</{tag}>' for cell in escaped)
        return f"<tr>{inner}</tr>"

    head, *body = rows
    return f"<table>{line('th', head)}{''.join(line('td', row) for row in body)}</table>"


def _plot(races: Sequence[Curves]) -> str:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines = -(-len(races) // 3)
    figure, grid = plt.subplots(lines, 3, figsize=(15, 3.8 * lines), layout="constrained")
    panels = np.ravel(grid)
    for axes, curves in zip(panels, races, strict=False):
        _draw(axes, curves)
    for axes in panels[len(races) :]:
        axes.set_axis_off()
    panels[0].legend(fontsize=7)
    out = io.StringIO()
    figure.savefig(out, format="svg")
    plt.close(figure)
    drawn = out.getvalue()
    return drawn[drawn.index("<svg") :]


def _draw(axes: Any, curves: Curves) -> None:
    colours = ["tab:green", "silver", "tab:blue", "tab:orange", "tab:red", "tab:purple"]
    colours += ["tab:brown", "tab:pink"]
    finite = curves.regrets[np.isfinite(curves.regrets) & (curves.regrets > 0)]
    floor = max(float(finite.min()), 1e-8) if len(finite) else 1e-8
    for name, regrets, colour in zip(curves.contenders, curves.regrets, colours, strict=False):
        low, middle, high = np.maximum(np.quantile(regrets, [0.25, 0.5, 0.75], axis=0), floor)
        evaluations = np.arange(1, len(middle) + 1)
        axes.plot(evaluations, middle, color=colour, label=name, linewidth=1.4)
        axes.fill_between(evaluations, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set(yscale="log", title=f"{curves.problem} ({len(curves.seeds)} seeds)")
    axes.set(xlabel="evaluations", ylabel="regret")
    axes.grid(alpha=0.3)
