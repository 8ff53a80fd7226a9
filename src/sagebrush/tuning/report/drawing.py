"""Small SVG drawings: a frame with axes, points, lines and bars, readable on light and dark."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 30, 40
_TICKS = 5


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    """A label; its words are escaped."""
    style = f' class="{kind}"' if kind else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{html.escape(words)}</text>'
    )


def circle(x: float, y: float, colour: str, words: str = "", radius: float = 3.5) -> str:
    """A point that tells its words when the mouse rests on it."""
    told = f"<title>{html.escape(words)}</title>" if words else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}">{told}</circle>'


def polyline(points: Sequence[tuple[float, float]], colour: str, width: float, words: str) -> str:
    """A line through points; ``words`` may be empty."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    told = f"<title>{html.escape(words)}</title>" if words else ""
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"'
        f' stroke-opacity=".8">{told}</polyline>'
    )


def drawing(title: str, parts: Sequence[str], width: int = WIDTH, height: int = HEIGHT) -> str:
    """An SVG element with a heading."""
    head = text(_LEFT, 18, title, "start", "t")
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
        f"{head}{''.join(parts)}</svg>"
    )


def shade(share: float) -> str:
    """A colour from blue (0, the best) over green to amber (1, the worst)."""
    hue = 215 - 175 * min(max(share, 0.0), 1.0)
    return f"hsl({hue:.0f} 75% 48%)"


def number(value: float) -> str:
    """A number with four significant digits."""
    return f"{value:.4g}"


@dataclass(frozen=True)
class Axes:
    """A frame whose ranges are mapped to the drawing."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    width: int = WIDTH
    height: int = HEIGHT

    @classmethod
    def around(cls, xs: Sequence[float], ys: Sequence[float]) -> "Axes":
        """A frame that shows all the points with a little room."""
        y_low, y_high = min(ys), max(ys)
        room = 0.06 * (y_high - y_low) or max(abs(y_high), 1.0) * 0.05
        return cls(min(xs), max(*xs, min(xs) + 1), y_low - room, y_high + room)

    def x(self, value: float) -> float:
        """Where a value lies from left to right."""
        span = self.width - _LEFT - _RIGHT
        return _LEFT + span * (value - self.x_low) / (self.x_high - self.x_low)

    def y(self, value: float) -> float:
        """Where a value lies from top to bottom."""
        span = self.height - _TOP - _BOTTOM
        return _TOP + span * (self.y_high - value) / (self.y_high - self.y_low)

    def frame(self, x_name: str, y_name: str) -> list[str]:
        """Lines, numbers and names of both axes."""
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        parts = []
        for value in _round_numbers(self.y_low, self.y_high):
            place = self.y(value)
            parts.append(f'<path class="g" d="M{_LEFT} {place:.1f}H{right}"/>')
            parts.append(text(_LEFT - 6, place + 4, number(value), "end"))
        columns = _round_numbers(self.x_low, self.x_high)
        parts += [text(self.x(value), bottom + 16, number(value)) for value in columns]
        parts.append(text((_LEFT + right) / 2, self.height - 6, x_name))
        parts.append(text(right, 18, y_name, "end"))
        return parts


def _round_numbers(low: float, high: float) -> list[float]:
    """About five round numbers between two bounds."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step)
    return [round(index * step, 12) for index in range(first, math.floor(high / step) + 1)]
