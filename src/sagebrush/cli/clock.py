"""`sagebrush clock`: show the server's time, and move it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sagebrush.base.clock_setting import check_rate
from sagebrush.base.durations import format_duration, parse_duration
from sagebrush.base.errors import ConfigurationError
from sagebrush.cli.controls import control
from sagebrush.cli.options import add_endpoint, running_endpoint

_EXAMPLE = """\
All that AWS documents as waiting (bake times, cooldowns, alarm periods, schedules) is on this
clock, and so are the times of everything that is kept. It never goes backwards, and goes on after
a restart as it ran before.

  sagebrush clock advance 24h   let a day pass, event by event: alarms evaluate, traffic shifts
  sagebrush clock rate 60       run 60 times as fast as real time
  sagebrush clock stop          stand still, until `go` or the next `advance`

Signatures, signed URLs and latencies stay on real time, and processes take as long as they take.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EXAMPLE
    add_endpoint(parser)
    parser.set_defaults(move=_show)
    moves = parser.add_subparsers(
        title="what to do (default: show the time)",
        metavar="ACTION",
        help="`ACTION --help` tells more",
    )
    advance = moves.add_parser("advance", help="let a time pass: 90s, 15m, 24h, 7d, 1h30m")
    advance.add_argument("duration", type=_duration, metavar="DURATION")
    advance.add_argument(
        "--limit",
        type=_duration,
        metavar="DURATION",
        default=None,
        help="how long, in real time, what happens at one moment is waited for (default: 10s)",
    )
    advance.set_defaults(move=_advance)
    rate = moves.add_parser("rate", help="run so many times as fast as real time")
    rate.add_argument("times", type=_rate, metavar="TIMES")
    rate.set_defaults(move=lambda parsed: _moved(parsed, {"rate": parsed.times}))
    for one in (advance, rate):
        add_endpoint(one, again=True)
    for name, wanted, summary in (
        ("stop", {"stopped": True}, "stand still"),
        ("go", {"rate": 1}, "run as fast as real time, from where the clock is"),
        ("real", {"real": True}, "be real time again; only for a clock that is not ahead of it"),
    ):
        move = moves.add_parser(name, help=summary)
        add_endpoint(move, again=True)
        move.set_defaults(move=lambda parsed, wanted=wanted: _moved(parsed, wanted))


def command(parsed: argparse.Namespace) -> int:
    """Move the clock and say what it shows then."""
    shown: dict[str, Any] = parsed.move(parsed)
    print(description(shown))
    if shown.get("unsettled"):
        print(
            f"sagebrush: went on while still at work: {', '.join(shown['unsettled'])}"
            " (wait longer with --limit)",
            file=sys.stderr,
        )
    return 0


def description(shown: dict[str, Any]) -> str:
    """Return a line on the clock: its time, how it runs, how far it is from real time."""
    now = str(shown["now"]).partition(".")[0].removesuffix("+00:00") + "Z"
    if shown.get("real", True):
        return f"{now}  real time"
    ahead_s = float(shown["ahead_s"])
    distance = (
        f"{format_duration(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'} real time"
    )
    rate = float(shown["rate"])
    how = "stopped" if rate == 0 else "running" if rate == 1 else f"{rate:g} times as fast"
    return f"{now}  {how}, {distance}"


def _show(parsed: argparse.Namespace) -> dict[str, Any]:
    return control(running_endpoint(parsed), "clock")


def _advance(parsed: argparse.Namespace) -> dict[str, Any]:
    limit = {} if parsed.limit is None else {"limit_s": parsed.limit}
    return _moved(parsed, {"advance_s": parsed.duration} | limit)


def _moved(parsed: argparse.Namespace, wanted: dict[str, Any]) -> dict[str, Any]:
    # A step takes as long as what happens in it.
    return control(running_endpoint(parsed), "clock", wanted, timeout_s=None)


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rate(text: str) -> float:
    try:
        return check_rate(float(text))
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
