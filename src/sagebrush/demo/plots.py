"""Plots as SVG text, drawn by hand so that the report needs no plotting library and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sagebrush.demo.studies import Array

_WIDTH, _HEIGHT = 430, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 26, 40
COLOURS = ("#2f6f73", "#d98032", "#7b5ea7", "#4a7ab5")


class Frame:
    """A plot's axes: data ranges onto the picture."""

    def __init__(
        self, title: str, x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str]
    ) -> None:
        self._x, self._y = _widened(x), _widened(y)
        self._parts = [
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">',
            f'<text x="{_LEFT}" y="16" class="t">{title}</text>',
        ]
        self._axes(labels)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the picture's coordinates of a point."""
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, dash: str = "") -> None:
        """Draw a line through points."""
        points = " ".join(
            "{:.1f},{:.1f}".format(*self.at(x, y)) for x, y in zip(xs, ys, strict=True)
        )
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{style}/>'
        )

    def dots(self, xs: Array, ys: Array, colour: str) -> None:
        """Draw a dot per point."""
        for x, y in zip(xs, ys, strict=True):
            across, down = self.at(float(x), float(y))
            self._parts.append(
                f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"'
                ' fill-opacity="0.55"/>'
            )

    def bar(self, x: float, width: float, height: float, colour: str) -> None:
        """Draw a bar from the bottom axis."""
        left, top = self.at(x, height)
        right, bottom = self.at(x + width, self._y[0])
        self._parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
            f' height="{max(0.0, bottom - top):.1f}" fill="{colour}" fill-opacity="0.75"/>'
        )

    def legend(self, names: Sequence[str]) -> None:
        """Name the colours, in order."""
        for number, name in enumerate(names):
            y = _TOP + 12 + 15 * number
            x = _WIDTH - _RIGHT - 8
            colour = COLOURS[number % len(COLOURS)]
            self._parts.append(
                f'<text x="{x}" y="{y}" text-anchor="end" fill="{colour}">{name}</text>'
            )

    def text(self) -> str:
        """Return the finished picture."""
        return "".join([*self._parts, "</svg>"])

    def _axes(self, labels: tuple[str, str]) -> None:
        left, bottom = self.at(self._x[0], self._y[0])
        right, top = self.at(self._x[1], self._y[1])
        self._parts.append(
            f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#888"/>'
            f'<text x="{(left + right) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
            f"{labels[0]}</text>"
            f'<text x="12" y="{(top + bottom) / 2}" text-anchor="middle"'
            f' transform="rotate(-90 12 {(top + bottom) / 2})">{labels[1]}</text>'
        )
        for value in _ticks(*self._x):
            across, _ = self.at(value, self._y[0])
            self._parts.append(
                f'<text x="{across:.1f}" y="{bottom + 15}" text-anchor="middle">{value:g}</text>'
            )
        for value in _ticks(*self._y):
            _, down = self.at(self._x[0], value)
            self._parts.append(
                f'<text x="{left - 5}" y="{down + 4:.1f}" text-anchor="end">{value:g}</text>'
                f'<path d="M{left} {down:.1f}H{right}" stroke="#8883"/>'
            )


def curves(title: str, values: Mapping[str, Sequence[float]], unit: str) -> str:
    """Return the course of metrics over rounds."""
    longest = max(len(series) for series in values.values())
    every = [value for series in values.values() for value in series]
    frame = Frame(title, (0, max(1, longest - 1)), (min(every), max(every)), (unit, "loss"))
    for number, series in enumerate(values.values()):
        frame.line(range(len(series)), series, COLOURS[number % len(COLOURS)])
    frame.legend(list(values))
    return frame.text()


def receiver_operating_characteristic(truth: Array, score: Array) -> str:
    """Return the ROC curve of a binary classifier."""
    order = np.argsort(-score)
    hits = np.concatenate([[0], np.cumsum(truth[order]) / truth.sum()])
    alarms = np.concatenate([[0], np.cumsum(1 - truth[order]) / (1 - truth).sum()])
    frame = Frame(
        "Held-out rows: ROC curve", (0, 1), (0, 1), ("false positive rate", "true positive rate")
    )
    frame.line([0, 1], [0, 1], "#999", "4 4")
    frame.line(alarms.tolist(), hits.tolist(), COLOURS[0])
    return frame.text()


def predicted_against_true(truth: Array, predicted: Array) -> str:
    """Return predictions over true values."""
    both = (float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max())))
    frame = Frame("Held-out rows: predicted and true", both, both, ("true", "predicted"))
    frame.line(both, both, "#999", "4 4")
    frame.dots(truth, predicted, COLOURS[0])
    return frame.text()


def cluster_counts(truth: Array, cluster: Array) -> str:
    """Return, cluster by cluster, how many rows have the label most common there."""
    names = np.unique(cluster)
    most = [np.bincount(truth[cluster == name].astype(int)) for name in names]
    sizes = [int(counts.sum()) for counts in most]
    frame = Frame(
        "Held-out rows per cluster; dark: its commonest digit",
        (0, len(names)),
        (0, max(sizes)),
        ("cluster", "rows"),
    )
    for position, counts in enumerate(most):
        frame.bar(position + 0.15, 0.7, float(counts.sum()), COLOURS[3])
        frame.bar(position + 0.15, 0.7, float(counts.max()), COLOURS[0])
    return frame.text()


def _widened(span: tuple[float, float]) -> tuple[float, float]:
    low, high = span
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers between two."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough))
    first = np.ceil(low / step) * step
    return [round(float(value), 10) for value in np.arange(first, high + step / 1e6, step)]
