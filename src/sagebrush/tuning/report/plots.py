"""The plots of a report."""

from collections.abc import Mapping, Sequence

from sagebrush.tuning.report.document import ReportedSearch, ReportedTrial
from sagebrush.tuning.report.drawing import (
    HEIGHT,
    Axes,
    circle,
    drawing,
    number,
    polyline,
    shade,
    text,
)
from sagebrush.tuning.spaces import Categorical

_LEAST_CURVE = 2
_WIDE = 1140


def objective_over_trials(search: ReportedSearch) -> str:
    """Each trial's objective, and the best so far as a line."""
    done = _succeeded(search)
    if not done:
        return ""
    axes = Axes.around([t.number for t in done], [_objective(t) for t in done])
    shares = _ranks(search, done)
    parts = axes.frame("trial", search.metric)
    best, steps = _objective(done[0]), list[tuple[float, float]]()
    better = min if search.direction == "Minimize" else max
    for trial in done:
        steps.append((axes.x(trial.number), axes.y(best)))
        best = better(best, _objective(trial))
        steps.append((axes.x(trial.number), axes.y(best)))
    parts.append(polyline(steps, "hsl(215 75% 48%)", 1.6, "the best so far"))
    for trial in done:
        words = f"{trial.name}: {number(_objective(trial))}"
        place = axes.x(trial.number), axes.y(_objective(trial))
        parts.append(circle(*place, shade(shares[trial.number]), words))
    return drawing("Objective over trials", parts)


def learning_curves(search: ReportedSearch) -> str:
    """The objective of each trial while it ran; empty if none told it more than once."""
    told = [trial for trial in search.trials if len(trial.curve) >= _LEAST_CURVE]
    if not told:
        return ""
    values = [value for trial in told for value in trial.curve]
    axes = Axes.around([1, max(len(trial.curve) for trial in told)], values)
    shares = _ranks(search, _succeeded(search))
    parts = axes.frame("times told", search.metric)
    # The best last, so that they lie on top.
    for trial in sorted(told, key=lambda each: -shares.get(each.number, 1.0)):
        points = [(axes.x(i), axes.y(value)) for i, value in enumerate(trial.curve, 1)]
        parts.append(polyline(points, shade(shares.get(trial.number, 1.0)), 1.2, trial.name))
    return drawing("Learning curves", parts)


def importance(shares: Mapping[str, float]) -> str:
    """A bar for each parameter, the most important first; empty without shares."""
    if not shares:
        return ""
    ranked = sorted(shares.items(), key=lambda each: -each[1])
    height = max(46 + 24 * len(ranked), 90)
    parts = []
    for row, (name, share) in enumerate(ranked):
        y = 38 + 24 * row
        parts.append(text(170, y + 13, name if len(name) <= 24 else name[:23] + "…", "end"))
        width = max(300 * share, 1.0)
        parts.append(
            f'<rect x="178" y="{y}" width="{width:.1f}" height="17" fill="hsl(215 75% 48%)"/>'
        )
        parts.append(text(184 + width, y + 13, f"{100 * share:.0f} %", "start"))
    return drawing("Parameter importance", parts, height=height)


def slices(search: ReportedSearch, name: str) -> str:
    """The objective against one parameter's value, on the scale that was searched."""
    done = _succeeded(search)
    parameter = next(each for each in search.space.parameters if each.name == name)
    if not done:
        return ""
    places = [parameter.to_unit(parameter.parse(t.hyperparameters[name])) for t in done]
    axes = Axes(0.0, 1.0, *_y_range(done))
    parts = [part for part in axes.frame("", search.metric) if "<path" in part or "end" in part]
    if isinstance(parameter, Categorical):
        marks = [(parameter.to_unit(value), value) for value in parameter.values]
    else:
        marks = [(p, number(float(parameter.from_unit(p)))) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    parts += [text(axes.x(place), HEIGHT - 24, words[:12]) for place, words in marks]
    parts.append(text(axes.x(0.5), HEIGHT - 6, name))
    shares = _ranks(search, done)
    for place, trial in zip(places, done, strict=True):
        words = f"{trial.name}: {name} = {trial.hyperparameters[name]}"
        y = axes.y(_objective(trial))
        parts.append(circle(axes.x(place), y, shade(shares[trial.number]), words))
    return drawing(f"Objective against {name}", parts)


def parallel_coordinates(search: ReportedSearch) -> str:
    """Each trial as a line across all parameters to its objective, coloured by rank."""
    done = _succeeded(search)
    if not done:
        return ""
    names = [parameter.name for parameter in search.space.parameters]
    width, height = _WIDE, 340
    gap = (width - 120) / max(len(names), 1)
    top, bottom = 50, height - 40
    low, high = _y_range(done)
    parts = []
    for column, name in enumerate([*names, search.metric]):
        x = 60 + gap * column
        parts.append(f'<path class="a" d="M{x:.1f} {top}V{bottom}"/>')
        parts.append(text(x, height - 10, name if len(name) <= 18 else name[:17] + "…"))
    for column, parameter in enumerate(search.space.parameters):
        x = 60 + gap * column
        if isinstance(parameter, Categorical):
            marks = [(parameter.to_unit(value), value) for value in parameter.values]
        else:
            marks = [(p, number(float(parameter.from_unit(p)))) for p in (0.0, 1.0)]
        for place, words in marks:
            parts.append(text(x + 5, bottom - place * (bottom - top) + 4, words[:12], "start"))
    parts += [text(60 + gap * len(names) + 5, top + 4, number(high), "start")]
    parts += [text(60 + gap * len(names) + 5, bottom + 4, number(low), "start")]
    shares = _ranks(search, done)
    for trial in sorted(done, key=lambda each: -shares[each.number]):
        places = [
            parameter.to_unit(parameter.parse(trial.hyperparameters[parameter.name]))
            for parameter in search.space.parameters
        ]
        places.append((_objective(trial) - low) / (high - low))
        points = [(60 + gap * i, bottom - place * (bottom - top)) for i, place in enumerate(places)]
        words = f"{trial.name}: {number(_objective(trial))}"
        parts.append(polyline(points, shade(shares[trial.number]), 1.4, words))
    return drawing("Parallel coordinates", parts, width, height)


def _succeeded(search: ReportedSearch) -> list[ReportedTrial]:
    return [trial for trial in search.trials if trial.objective is not None]


def _objective(trial: ReportedTrial) -> float:
    assert trial.objective is not None
    return trial.objective


def _y_range(done: Sequence[ReportedTrial]) -> tuple[float, float]:
    axes = Axes.around([0.0], [_objective(trial) for trial in done])
    return axes.y_low, axes.y_high


def _ranks(search: ReportedSearch, done: Sequence[ReportedTrial]) -> dict[int, float]:
    """From 0 for the best trial to 1 for the worst."""
    sign = 1.0 if search.direction == "Minimize" else -1.0
    ordered = sorted(done, key=lambda trial: sign * _objective(trial))
    return {trial.number: i / max(len(ordered) - 1, 1) for i, trial in enumerate(ordered)}
