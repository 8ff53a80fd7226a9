"""`sagebrush faults`: switch faults on and off."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from sagebrush.base.durations import format_duration, parse_duration
from sagebrush.base.errors import ConfigurationError
from sagebrush.cli.controls import control
from sagebrush.cli.options import add_endpoint, running_endpoint
from sagebrush.engines.injection import KINDS

_EXAMPLES = """\
targets (patterns with * and ?):
  endpoint/NAME, endpoint/NAME/VARIANT, training-job/NAME, transform-job/NAME, SERVICE:Operation

  sagebrush faults add throttle "sagemaker:Describe*" --times 3
  sagebrush faults add error "s3:PutObject" --probability 0.1 --seed 7
  sagebrush faults add model-delay "endpoint/churn" --delay 2s --for 10m
  sagebrush faults add model-crash "endpoint/churn/blue"
  sagebrush faults add capacity "endpoint/*"
  sagebrush faults add spot-interruption "training-job/nightly"
  sagebrush faults remove 5f3a9c01
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _kinds() + _EXAMPLES
    add_endpoint(parser)
    parser.set_defaults(act=_list)
    acts = parser.add_subparsers(
        title="what to do (default: list)", metavar="ACTION", help="`ACTION --help` tells more"
    )
    shown = acts.add_parser("list", help="show all, and how often each struck")
    shown.add_argument("--json", action="store_true", help="print everything as JSON")
    shown.set_defaults(act=_list)
    adding = acts.add_parser(
        "add",
        help="switch one on",
        epilog=_kinds() + _EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _configure_adding(adding)
    removing = acts.add_parser("remove", help="switch one off")
    removing.add_argument("id", metavar="ID")
    removing.set_defaults(act=lambda parsed: _remove(parsed, {"id": parsed.id}))
    clearing = acts.add_parser("clear", help="switch all off")
    clearing.set_defaults(act=lambda parsed: _remove(parsed, {}))
    for one in (shown, adding, removing, clearing):
        add_endpoint(one, again=True)


def command(parsed: argparse.Namespace) -> int:
    """Do what was asked and say what is on, or what was."""
    faults: list[dict[str, Any]] = parsed.act(parsed)
    if getattr(parsed, "json", False):
        print(json.dumps(faults, indent=2))
        return 0
    for fault in faults:
        print(_line(fault))
    if not faults:
        print("no faults")
    return 0


def _configure_adding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help="see below")
    parser.add_argument("target", metavar="TARGET", help="whom it strikes: see below")
    parser.add_argument(
        "--times", type=int, help="so often, then no more (default: always; crashes, spot: once)"
    )
    parser.add_argument("--probability", type=float, metavar="P", help="not always: 0 to 1")
    parser.add_argument("--seed", type=int, help="the same draws again, with --probability")
    parser.add_argument(
        "--for",
        dest="for_s",
        type=_duration,
        metavar="DURATION",
        help="over after that time on the server's clock: 90s, 15m, 1h30m",
    )
    parser.add_argument("--account", metavar="ID", help="only in this account (a pattern)")
    parser.add_argument(
        "--delay",
        dest="delay_s",
        type=_duration,
        metavar="DURATION",
        help="of model-delay; of spot-interruption: how long it trains before; in real time",
    )
    parser.add_argument("--status", type=int, help="HTTP status of model-error and error")
    parser.add_argument("--code", help="AWS's error code, of error")
    parser.add_argument("--message", metavar="TEXT", help="of model-error and error")
    parser.set_defaults(act=_add)


def _list(parsed: argparse.Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control(running_endpoint(parsed), "faults")["faults"]
    return found


def _add(parsed: argparse.Namespace) -> list[dict[str, Any]]:
    names = ("kind", "target", "times", "probability", "seed", "for_s", "account", "delay_s")
    given = {name: getattr(parsed, name) for name in (*names, "status", "code", "message")}
    wanted = {name: value for name, value in given.items() if value is not None}
    return [control(running_endpoint(parsed), "faults", wanted)]


def _remove(parsed: argparse.Namespace, which: dict[str, str]) -> list[dict[str, Any]]:
    gone: list[dict[str, Any]] = control(
        running_endpoint(parsed), "faults", which, method="DELETE"
    )["faults"]
    return gone


def _line(fault: dict[str, Any]) -> str:
    words = [f"{fault['id']}  {fault['kind']} {fault['target']}"]
    for name, text in (
        ("account", "in account {}"),
        ("status", "status {}"),
        ("code", "{}"),
        ("probability", "with probability {:g}"),
        ("seed", "(seed {})"),
    ):
        if name in fault:
            words.append(text.format(fault[name]))
    if "delay_s" in fault:
        words.append(f"by {format_duration(fault['delay_s'])}")
    if "until" in fault:
        words.append(f"until {datetime.fromtimestamp(fault['until'], UTC):%Y-%m-%dT%H:%M:%SZ}")
    often = f"struck {fault['struck']}"
    if "times" in fault:
        often += f" of {fault['times']}"
    return f"{' '.join(words)}: {often}{', over' if fault['over'] else ''}"


def _kinds() -> str:
    rows = (f"  {kind.name:18} {kind.summary}" for kind in KINDS.values())
    return "kinds:\n" + "\n".join(rows) + "\n\n"


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
