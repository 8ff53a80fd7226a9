"""A step's gradients against numerical differentiation of the loss, written down anew in numpy."""

import itertools
from typing import Any

import numpy as np
import pytest

from sagebrush.algorithms.ip_insights.encoder import VARIANCE_FLOOR
from sagebrush.algorithms.ip_insights.model import IPInsights
from sagebrush.algorithms.ip_insights.pairs import unpack

WIDTH, RANDOM, SHUFFLED = 5, 2, 3
STEP = 1e-5


def reference_loss(
    entity_vectors: np.ndarray,
    prefix_vectors: np.ndarray,
    layers: list[dict[str, np.ndarray]],
    entity_rows: np.ndarray,
    prefix_rows: np.ndarray,
    partners: np.ndarray,
) -> float:
    """The loss in double precision: sum of log(1 + exp(-s)) and of log(1 + exp(s))."""
    pairs = len(entity_rows)
    z = np.array([prefix_vectors[rows[rows >= 0]].sum(axis=0) for rows in prefix_rows])
    for layer in layers:
        a = z @ layer["weight"].T
        normalised = (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + VARIANCE_FLOOR)
        z = z + np.maximum(layer["gain"] * normalised + layer["shift"], 0)
    e = entity_vectors[entity_rows]
    loss = 0.0
    for i in range(pairs):
        loss += np.log1p(np.exp(-e[i] @ z[i]))
        for block in range(1, 1 + RANDOM):
            loss += np.log1p(np.exp(e[i] @ z[block * pairs + i]))
        for shuffle in range(SHUFFLED):
            loss += np.log1p(np.exp(e[partners[shuffle * pairs + i]] @ z[i]))
    return float(loss)


class Step:
    """The pieces of one training step of a small model, as `partial_fit` puts them together."""

    def __init__(self, layers: int) -> None:
        rng = np.random.default_rng(3)
        self.model = model = IPInsights(
            100,
            WIDTH,
            num_ip_encoder_layers=layers,
            random_negative_sampling_rate=RANDOM,
            shuffled_negative_sampling_rate=SHUFFLED,
        )
        users = rng.integers(0, 4, 9)
        addresses = (10 << 24) + rng.integers(0, 3, 9) * 4096 + rng.integers(0, 9, 9)
        entities, found = unpack(model.packed(users, addresses.tolist()))
        model._admit(entities, found)
        for table in (model.entities, model.prefixes):
            table.weights[: table.used] = rng.normal(size=(table.used, WIDTH)) * 0.5
        for layer in model.encoder.layers:
            layer.gain[:] = rng.normal(size=WIDTH)
            layer.shift[:] = rng.normal(size=WIDTH)
        self.entity_rows = model.entities.find(entities)
        self.generated = model._generate(9)
        everything = np.concatenate([found, self.generated.addresses])
        self.prefix_rows = model.prefixes.find(everything, model._spread)
        # Random addresses hit no known prefix; two of them are made to.
        self.prefix_rows[11] = self.prefix_rows[2]
        self.prefix_rows[20] = self.prefix_rows[5]

    def gradients(self) -> tuple[float, dict[str, np.ndarray]]:
        model = self.model
        vectors = model.encoder.forward(model._gathered(self.prefix_rows), model._spread, np.copy)
        residuals, slopes, totals = model._score(self.entity_rows, vectors, self.generated)
        below, layer_slopes = model.encoder.backward(slopes, model._spread, np.copy)
        groups = model.entities.group(self.entity_rows)
        found = {}
        entity = model._entity_slopes(vectors, self.generated, residuals, groups)
        found["entities"] = np.zeros((model.entities.used, WIDTH))
        found["entities"][groups.distinct] = entity
        groups = model.prefixes.group(self.prefix_rows)
        found["prefixes"] = np.zeros((model.prefixes.used, WIDTH))
        found["prefixes"][groups.distinct] = model._prefix_slopes(below, groups)
        for index, slope in enumerate(layer_slopes):
            found[f"weight {index}"] = slope[: WIDTH * WIDTH].reshape(WIDTH, WIDTH)
            found[f"gain {index}"] = slope[WIDTH * WIDTH : -WIDTH]
            found[f"shift {index}"] = slope[-WIDTH:]
        return float(totals[0]), found

    def parameters(self) -> dict[str, np.ndarray]:
        model = self.model
        found: dict[str, Any] = {
            "entities": model.entities.weights[: model.entities.used],
            "prefixes": model.prefixes.weights[: model.prefixes.used],
        }
        for index, layer in enumerate(model.encoder.layers):
            for name in ("weight", "gain", "shift"):
                found[f"{name} {index}"] = getattr(layer, name)
        return {name: values.astype(np.float64) for name, values in found.items()}

    def loss(self, parameters: dict[str, np.ndarray]) -> float:
        layers = [
            {name: parameters[f"{name} {index}"] for name in ("weight", "gain", "shift")}
            for index in range(len(self.model.encoder.layers))
        ]
        return reference_loss(
            parameters["entities"],
            parameters["prefixes"],
            layers,
            self.entity_rows,
            self.prefix_rows,
            self.generated.partners,
        )


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_gradients_are_those_of_numerical_differentiation(layers):
    step = Step(layers)
    loss, gradients = step.gradients()
    parameters = step.parameters()
    assert loss == pytest.approx(step.loss(parameters), rel=1e-5)
    assert gradients.keys() == parameters.keys()
    rng = np.random.default_rng(0)
    for name, values in parameters.items():
        places = list(itertools.product(*(range(size) for size in values.shape)))
        touched = [place for place in places if gradients[name][place] != 0]
        assert touched
        for index in rng.permutation(len(touched))[:40]:
            place = touched[index]
            kept = values[place]
            values[place] = kept + STEP
            above = step.loss(parameters)
            values[place] = kept - STEP
            numeric = (above - step.loss(parameters)) / (2 * STEP)
            values[place] = kept
            assert gradients[name][place] == pytest.approx(numeric, rel=2e-3, abs=2e-4), name


def test_untouched_rows_have_no_gradient():
    step = Step(1)
    gradients = step.gradients()[1]
    named = np.unique(step.prefix_rows[step.prefix_rows >= 0])
    untouched = np.setdiff1d(np.arange(step.model.prefixes.used), named)
    assert untouched.size > 500
    assert not gradients["prefixes"][untouched].any()
