"""SGD with momentum, Adam and RMSProp on one parameter matrix that holds all models.

Columns belong to models, so learning rate, L2 and L1 strength are row vectors; rows are features,
the last one the bias, so the multipliers of the bias are a column vector. Every step is

    g   <- gradient + wd * theta
    theta <- prox_{l1}(theta - rate * direction(g))

where the proximal map shrinks each entry towards zero by l1 times its own step size, which keeps
exact zeros (Duchi and Singer, "Efficient online and batch learning using forward backward
splitting", JMLR 2009).
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DEFAULT_MOMENTUM = 0.0
DEFAULT_BETA_1 = 0.9
DEFAULT_BETA_2 = 0.999
RMSPROP_DECAY = 0.9
EPSILON = np.float32(1e-8)


class Optimizer(Protocol):
    """Turns gradients into parameter changes; ``state`` are the arrays a checkpoint keeps."""

    state: dict[str, Floats]

    def direction(self, gradient: Floats) -> tuple[Floats, Floats | None]:
        """The descent direction for a unit rate, and what divides the rate per entry, if any."""


class Sgd:
    """v <- momentum * v + g; direction v. Sutskever et al., ICML 2013 (classical momentum)."""

    def __init__(self, shape: tuple[int, int], momentum: float) -> None:
        self._momentum = np.float32(momentum)
        self.state = {"velocity": np.zeros(shape, np.float32)} if momentum else {}

    def direction(self, gradient: Floats) -> tuple[Floats, Floats | None]:
        if not self.state:
            return gradient, None
        velocity = self.state["velocity"]
        velocity *= self._momentum
        velocity += gradient
        return velocity, None


class Adam:
    """Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, bias corrected."""

    def __init__(self, shape: tuple[int, int], beta_1: float, beta_2: float) -> None:
        self._beta_1, self._beta_2 = np.float32(beta_1), np.float32(beta_2)
        self.state = {
            "mean": np.zeros(shape, np.float32),
            "square": np.zeros(shape, np.float32),
            "steps": np.zeros(1, np.float32),
        }

    def direction(self, gradient: Floats) -> tuple[Floats, Floats | None]:
        mean, square, steps = self.state["mean"], self.state["square"], self.state["steps"]
        steps += 1
        mean *= self._beta_1
        mean += (1 - self._beta_1) * gradient
        square *= self._beta_2
        square += (1 - self._beta_2) * (gradient * gradient)
        count = float(steps[0])
        spread: Floats = np.sqrt(square)
        spread *= np.float32(1.0 / np.sqrt(1.0 - float(self._beta_2) ** count))
        spread += EPSILON
        direction: Floats = mean / spread
        direction *= np.float32(1.0 / (1.0 - float(self._beta_1) ** count))
        return direction, spread


class RmsProp:
    """Tieleman and Hinton, "Lecture 6.5 - RMSProp", 2012."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.state = {"square": np.zeros(shape, np.float32)}

    def direction(self, gradient: Floats) -> tuple[Floats, Floats | None]:
        square = self.state["square"]
        square *= np.float32(RMSPROP_DECAY)
        square += np.float32(1 - RMSPROP_DECAY) * (gradient * gradient)
        spread = np.sqrt(square) + EPSILON
        return gradient / spread, spread


def make_optimizer(
    name: str, shape: tuple[int, int], *, momentum: float, beta_1: float, beta_2: float
) -> Optimizer:
    """The named optimiser (sgd, adam, rmsprop) for a parameter matrix of the shape."""
    if name == "sgd":
        return Sgd(shape, momentum)
    if name == "rmsprop":
        return RmsProp(shape)
    return Adam(shape, beta_1, beta_2)


def shrink(theta: Floats, amount: Floats) -> None:
    """In place, move every entry towards zero by its amount, stopping at zero."""
    np.copyto(theta, np.sign(theta) * np.maximum(np.abs(theta) - amount, 0))
