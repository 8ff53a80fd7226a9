"""The report of a tuning job."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from sagebrush.tuning.bayesian import Observation
from sagebrush.tuning.importance import parameter_importance
from sagebrush.tuning.report import plots
from sagebrush.tuning.report.document import ReportedSearch, ReportedTrial, ReportRequest
from sagebrush.tuning.report.drawing import Axes
from sagebrush.tuning.report.page import report_page
from sagebrush.tuning.spaces import Categorical, Continuous, Integer, Space

SPACE = Space(
    (
        Continuous("rate", 1e-3, 1.0, "Logarithmic"),
        Integer("depth", 1, 9),
        Categorical("kind", ("a<b", "c")),
    )
)


def trials(count: int = 12) -> list[ReportedTrial]:
    generator = np.random.default_rng(0)
    found = []
    for number in range(1, count + 1):
        configuration = SPACE.from_unit(generator.random(3))
        found.append(
            ReportedTrial(
                number=number,
                name=f"tune-{number:03d}",
                status="Completed",
                hyperparameters=SPACE.render(configuration),
                objective=abs(np.log10(configuration["rate"]) + 1.5),
                duration_s=1.5,
                curve=[3.0 / step for step in range(1, 6)],
            )
        )
    return found


def search(found: list[ReportedTrial], direction: str = "Minimize") -> ReportedSearch:
    return ReportedSearch("xgboost <1>", "validation:rmse", direction, SPACE, found)


def request(*searches: ReportedSearch) -> ReportRequest:
    return ReportRequest("Tuning job <x>", {"Strategy": "Bayesian & more"}, searches)


class Balance(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        self.references += [v for n, v in attributes if n in ("src", "href") and v]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def drawings(page: str) -> list[ET.Element]:
    return [ET.fromstring(each) for each in re.findall(r"<svg.*?</svg>", page)]


def test_a_report_needs_nothing_else_and_escapes_what_users_wrote():
    page = report_page(request(search(trials())))
    parsed = Balance()
    parsed.feed(page)
    assert parsed.references == []
    assert "Tuning job <x>" in "".join(parsed.words)
    assert "<x>" not in page
    assert "a<b" not in page
    assert "Bayesian &amp; more" in page


def test_every_drawing_is_well_formed_and_named():
    names = {each.get("aria-label") for each in drawings(report_page(request(search(trials()))))}
    assert {
        "Objective over trials",
        "Learning curves",
        "Parameter importance",
        "Parallel coordinates",
        "Objective against rate",
        "Objective against depth",
        "Objective against kind",
    } <= names


@pytest.mark.parametrize("direction", ["Minimize", "Maximize"])
def test_the_best_trial_leads_the_table(direction):
    found = trials()
    page = report_page(request(search(found, direction)))
    key = min if direction == "Minimize" else max
    best = key(found, key=lambda trial: trial.objective)
    assert re.search(r"<tr class=best><td>([^<]*)", page)[1] == best.name


def test_the_line_of_the_best_never_gets_worse():
    drawing = ET.fromstring(plots.objective_over_trials(search(trials())))
    (line,) = drawing.iter("polyline")
    heights = [float(point.split(",")[1]) for point in line.get("points").split()]
    # Downwards on the drawing is upwards in y: less is better.
    assert heights == sorted(heights)
    assert len(list(drawing.iter("circle"))) == 12


def test_trials_without_objective_are_told_and_not_drawn():
    failed = ReportedTrial(1, "tune-001", "Failed", {"rate": "0.1"}, reason='a "reason"')
    page = report_page(request(search([failed])))
    assert "there is nothing to plot" in page
    assert 'title="a &quot;reason&quot;"' in page
    assert "<svg" not in page


def test_one_trial_and_equal_objectives_can_be_drawn():
    one = trials(1)
    equal = [ReportedTrial(i, f"t{i}", "Completed", one[0].hyperparameters, 2.0) for i in (1, 2, 3)]
    for found in (one, equal):
        page = report_page(request(search(found)))
        assert "nan" not in page
        assert drawings(page)


def test_a_request_survives_the_way():
    import json

    sent = request(search(trials(3)))
    assert ReportRequest.decode(json.loads(sent.encode())["report"]) == sent


def test_importance_is_the_share_of_variance():
    """Of f = 3 a + b on the cube the shares are 9/10 and 1/10."""
    space = Space(tuple(Continuous(name, 0.0, 1.0) for name in "abc"))
    generator = np.random.default_rng(0)
    observed = [
        Observation(each, 3 * each["a"] + each["b"])
        for each in (space.from_unit(p) for p in generator.random((60, 3)))
    ]
    shares = parameter_importance(space, observed)
    assert shares["a"] == pytest.approx(0.9, abs=0.05)
    assert shares["b"] == pytest.approx(0.1, abs=0.05)
    assert shares["c"] < 0.02
    assert parameter_importance(space, observed[:3]) == {}


def test_axes_show_round_numbers_within_the_frame():
    axes = Axes(0.0, 10.0, -0.13, 1.07)
    told = list(re.findall(r">([-0-9.]+)<", "".join(axes.frame("x", "y"))))
    assert {"0", "0.5", "1"} <= set(told)
