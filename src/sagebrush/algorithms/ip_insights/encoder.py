"""The dense layers that turn an address's summed prefix vectors into its embedding.

A layer is x + relu(gain * normalised(x W') + shift) with the batch's mean and variance
(S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015) and a residual sum (K. He et al., "Deep
residual learning", CVPR 2016), which keeps a hundred of them trainable.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.ip_insights.kernel import kernel
from sagebrush.algorithms.ip_insights.tables import Adam, Floats, Spread

Doubles = NDArray[np.float64]
Reduce = Callable[[NDArray[Any]], NDArray[Any]]

VARIANCE_FLOOR = 1e-5
FIRST_GAIN = 0.1
MOMENTUM = 0.9


class _Trace(NamedTuple):
    """What the backward pass needs of a layer's forward pass."""

    inputs: Floats
    normalised: Floats
    scale: Floats
    rows: float


class Layer:
    """One layer: ``weight`` (width, width), ``gain`` and ``shift`` (width,), running statistics."""

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        self.weight: Floats = (rng.normal(size=(width, width)) / np.sqrt(width)).astype(np.float32)
        self.gain: Floats = np.full(width, FIRST_GAIN, np.float32)
        self.shift: Floats = np.zeros(width, np.float32)
        self.running_mean: Doubles = np.zeros(width)
        self.running_variance: Doubles = np.ones(width)
        self._batches = 0
        shapes = [(width, width), (width,), (width,)]
        self._means = [np.zeros(shape, np.float32) for shape in shapes]
        self._squares = [np.zeros(shape, np.float32) for shape in shapes]

    def forward(self, inputs: Floats, spread: Spread, reduce: Reduce) -> tuple[Floats, _Trace]:
        """The outputs of a batch and what `backward` needs; counts it in the running statistics."""
        rows, width = inputs.shape
        product = np.empty_like(inputs)
        outputs = np.empty_like(inputs)
        sums = _Sums(2 * width)

        def multiply(first: int, last: int) -> None:
            np.matmul(inputs[first:last], self.weight.T, out=product[first:last])
            kernel().column_sums(product, width, first, last, sums.part(first))

        spread(multiply, rows)
        total = reduce(np.append(sums.total(), rows))
        count = float(total[-1])
        mean = total[:width] / count
        variance = np.maximum(total[width:-1] / count - mean * mean, 0.0)
        self._remember(mean, variance)
        scale = (1.0 / np.sqrt(variance + VARIANCE_FLOOR)).astype(np.float32)
        centre = mean.astype(np.float32)

        def finish(first: int, last: int) -> None:
            kernel().normalise_add(
                *(product, inputs, width, first, last, centre, scale),
                *(self.gain, self.shift, outputs),
            )

        spread(finish, rows)
        return outputs, _Trace(inputs, product, scale, count)

    def _remember(self, mean: Doubles, variance: Doubles) -> None:
        """The first batches count alike, later ones fade."""
        self._batches += 1
        share = max(1.0 - MOMENTUM, 1.0 / self._batches)
        self.running_mean += share * (mean - self.running_mean)
        self.running_variance += share * (variance - self.running_variance)

    def backward(
        self, gradients: Floats, trace: _Trace, spread: Spread, reduce: Reduce
    ) -> tuple[Floats, Doubles]:
        """The loss's gradient by the inputs, and by weight, gain and shift in one flat array.

        The parameters' gradients are sums over all hosts' rows.
        """
        rows, width = gradients.shape
        sums = _Sums(2 * width)

        def count_gains(first: int, last: int) -> None:
            kernel().gain_sums(
                *(gradients, trace.normalised, width, first, last),
                *(self.gain, self.shift, sums.part(first)),
            )

        spread(count_gains, rows)
        total = reduce(sums.total())
        mean_shift = (total[:width] / trace.rows).astype(np.float32)
        mean_gain = (total[width:] / trace.rows).astype(np.float32)
        below = np.empty_like(gradients)
        weights = _Sums(width * width)

        def through(first: int, last: int) -> None:
            kernel().normalise_back(
                *(gradients, trace.normalised, width, first, last, trace.scale),
                *(self.gain, self.shift, mean_shift, mean_gain),
            )
            slopes = trace.normalised[first:last]
            np.matmul(slopes, self.weight, out=below[first:last])
            below[first:last] += gradients[first:last]
            weights.part(first)[:] = (slopes.T @ trace.inputs[first:last]).ravel()

        spread(through, rows)
        weight = reduce(weights.total())
        return below, np.concatenate([weight, total[width:], total[:width]])

    def step(self, gradient: Doubles, adam: Adam) -> None:
        """One Adam step by the gradient that `backward` gave."""
        at = 0
        for index, values in enumerate((self.weight, self.gain, self.shift)):
            slope = gradient[at : at + values.size].reshape(values.shape).astype(np.float32)
            at += values.size
            slope += adam.decay * values
            mean, square = self._means[index], self._squares[index]
            mean += (1 - adam.beta_1) * (slope - mean)
            square += (1 - adam.beta_2) * (slope * slope - square)
            values -= np.float32(adam.rate) * mean / (np.sqrt(square) + adam.epsilon)

    def fixed(self) -> "FixedLayer":
        """The layer with the running statistics, in double precision: for prediction."""
        scale = self.gain / np.sqrt(self.running_variance + VARIANCE_FLOOR)
        weight = self.weight.T.astype(np.float64) * scale
        return FixedLayer(weight, self.shift - self.running_mean * scale)

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]]) -> "Layer":
        """A layer for prediction from what `arrays` gave."""
        layer = cls(int(arrays["gain"].shape[0]), np.random.default_rng(0))
        layer.weight = np.asarray(arrays["weight"], np.float32)
        layer.gain = np.asarray(arrays["gain"], np.float32)
        layer.shift = np.asarray(arrays["shift"], np.float32)
        layer.running_mean = np.asarray(arrays["running_mean"], np.float64)
        layer.running_variance = np.asarray(arrays["running_variance"], np.float64)
        return layer

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The layer's parameters and statistics by name."""
        return {
            "weight": self.weight,
            "gain": self.gain,
            "shift": self.shift,
            "running_mean": self.running_mean,
            "running_variance": self.running_variance,
        }


class FixedLayer(NamedTuple):
    """A layer that learns no more: ``weight`` (inputs, outputs), ``shift`` (width,).

    Subtracting the mean and scaling are in both of them.
    """

    weight: Doubles
    shift: Doubles

    def apply(self, inputs: Doubles) -> Doubles:
        """The outputs, (rows, width)."""
        raised: Doubles = inputs.dot(self.weight)
        raised += self.shift
        np.maximum(raised, 0.0, out=raised)
        raised += inputs
        return raised


class _Sums:
    """Partial sums of blocks of rows, added up in the blocks' order whoever was first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: dict[int, Doubles] = {}

    def part(self, first: int) -> Doubles:
        """The block's own sums, zero before it adds to them."""
        return self._parts.setdefault(first, np.zeros(self._size))

    def total(self) -> Doubles:
        """The sum over all blocks."""
        total = np.zeros(self._size)
        for first in sorted(self._parts):
            total += self._parts[first]
        return total


class Encoder:
    """A stack of layers."""

    def __init__(self, width: int, layers: int, rng: np.random.Generator) -> None:
        self.layers = [Layer(width, rng) for _ in range(layers)]
        self._traces: list[_Trace] = []

    @classmethod
    def restored(cls, layers: list[dict[str, NDArray[Any]]]) -> "Encoder":
        """An encoder for prediction from the arrays of its layers."""
        encoder = cls(0, 0, np.random.default_rng(0))
        encoder.layers = [Layer.restored(arrays) for arrays in layers]
        return encoder

    def forward(self, inputs: Floats, spread: Spread, reduce: Reduce) -> Floats:
        """The embeddings of a training batch, (rows, width)."""
        self._traces = []
        for layer in self.layers:
            inputs, trace = layer.forward(inputs, spread, reduce)
            self._traces.append(trace)
        return inputs

    def backward(
        self, gradients: Floats, spread: Spread, reduce: Reduce
    ) -> tuple[Floats, list[Doubles]]:
        """The gradient by the inputs of the last `forward`, and by each layer's parameters."""
        slopes: list[Doubles] = []
        for layer, trace in zip(reversed(self.layers), reversed(self._traces), strict=True):
            gradients, slope = layer.backward(gradients, trace, spread, reduce)
            slopes.append(slope)
        self._traces = []
        return gradients, slopes[::-1]

    def step(self, slopes: list[Doubles], adam: Adam) -> None:
        """One Adam step of every layer."""
        for layer, slope in zip(self.layers, slopes, strict=True):
            layer.step(slope, adam)

    def apply(self, inputs: Doubles) -> Doubles:
        """Embeddings for prediction, (rows, width)."""
        for layer in self.layers:
            inputs = layer.fixed().apply(inputs)
        return inputs
