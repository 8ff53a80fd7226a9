"""Measure the tuner beside Optuna, syne-tune, BoTorch and random search.

Each contender minimises each problem over several seeds, one trial at a time and several at once:
Branin, Hartmann, Ackley and Rosenbrock, some with noise or in mixed spaces, and real trainings of
XGBoost and Linear Learner on scikit-learn's data sets. What counts is the regret after 20, 50 and
100 evaluations. Hyperband is compared with training everything to the end at the same cost, and the
time of a suggestion is measured. What has been measured is kept until the code changes, so that an
interrupted run goes on where it was. Races of rivals that lie in the repository are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.tuning import rivals
from benchmarks.tuning.campaign import Plan, Store, check_shortcuts, measure
from benchmarks.tuning.judgement import MISS, judge
from benchmarks.tuning.page import page, tables, text

_EXAMPLES = """examples:
  make bench-tuning                                       everything: many hours on one core
  python -m benchmarks.tuning --quick                     two seeds, a few problems: minutes
  python -m benchmarks.tuning --only Branin,Ackley-5      problems by name
  python -m benchmarks.tuning --against "Optuna GP"       ours and one peer only
  python -m benchmarks.tuning --seeds 5 --at-once 1,2,10  fewer seeds, other parallelism
  python -m benchmarks.tuning --report                    tables and page again; no measuring
  python -m benchmarks.tuning --afresh                    rivals' races that are kept, too

results: a line for each measurement in FIGURES.jsonl, conclusions in FIGURES.json, plots in
FIGURES.html. Stop it at any time; the same command goes on.
"""
_QUICK = ("Branin", "Hartmann-6", "booster-like", "XGBoost breast cancer")


def main() -> int:
    """Measure what was asked for, print and write the results; 1 if a target is missed."""
    parsed = _arguments()
    if parsed.check_shortcuts:
        return 0 if check_shortcuts() else 1
    plan = _plan(parsed)
    path = parsed.figures or Path("out/bench-tuning.jsonl")
    store = Store.open(path)
    if not parsed.afresh:
        store.figures = {**rivals.kept(), **store.figures}
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n")
    if not parsed.report:
        measure(plan, store)
    if parsed.keep:
        print(f"{rivals.keep(store)} races of rivals are kept in {rivals.FILE}\n")
    verdicts = judge(plan, store)
    for title, rows in tables(plan, store):
        print(text(title, rows))
    document = {
        "machine": platform.platform(),
        "plan": asdict(plan),
        "targets": [asdict(each) for each in verdicts],
        "tables": dict(tables(plan, store)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(document, indent=1), "utf-8")
    path.with_suffix(".html").write_text(page(plan, store), "utf-8")
    print(f"figures: {path.with_suffix('.json')}, plots: {path.with_suffix('.html')}")
    return 1 if any(each.verdict == MISS for each in verdicts) else 0


def _arguments() -> argparse.Namespace:
    everything = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tuning",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        default="",
        help=f"problems, with commas between: {', '.join(everything.problems)}",
    )
    parser.add_argument(
        "--against", default="", help=f"contenders beside ours: {', '.join(everything.contenders)}"
    )
    parser.add_argument("--seeds", type=int, default=everything.seeds, help="how many (20)")
    parser.add_argument("--at-once", default="1,4", help="how many trials run at once (1,4)")
    parser.add_argument("--quick", action="store_true", help="two seeds, four problems")
    parser.add_argument("--report", action="store_true", help="do not measure, only show")
    parser.add_argument(
        "--afresh", action="store_true", help="measure the rivals' races in the repository, too"
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the rivals' races into the repository in the end"
    )
    parser.add_argument(
        "--check-shortcuts",
        action="store_true",
        help="whether peers whose overhead is left out in races find the same as with it; an hour",
    )
    parser.add_argument(
        "--figures", type=Path, help="where figures are kept (out/bench-tuning.jsonl)"
    )
    return parser.parse_args()


def _plan(parsed: argparse.Namespace) -> Plan:
    plan = Plan(seeds=parsed.seeds, at_once=tuple(int(each) for each in parsed.at_once.split(",")))
    if parsed.quick:
        plan = replace(plan, seeds=min(plan.seeds, 2), problems=_QUICK)
    if parsed.only:
        plan = replace(plan, problems=_chosen(parsed.only, plan.problems, "problem"))
    if parsed.against:
        ours, *others = plan.contenders
        plan = replace(plan, contenders=(ours, *_chosen(parsed.against, others, "contender")))
    return plan


def _chosen(names: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the known names that were asked for, in their order."""
    wanted = {name.strip().lower() for name in names.split(",")}
    unknown = wanted - {name.lower() for name in known}
    if unknown:
        sys.exit(f"no {what} is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return tuple(name for name in known if name.lower() in wanted)


if __name__ == "__main__":
    sys.exit(main())
