"""All models in one parameter matrix, moved together by one matrix product per mini-batch.

Notation: d features, M models, C outputs per model (classes, else 1), m = M C columns; theta of
shape (d + 1, m), its last row the biases; X (n, d) scaled rows; S = X theta[:d] + theta[d] the
scores; G (n, m) the gradient of the losses by the scores, each row weighted by the row's weight.

    gradient of theta = [X' G ; 1' G] / (weight of the batch) + wd theta

One step costs two products of 2 n d m operations whatever the number of models.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.linear_learner.grid import Candidate
from sagebrush.algorithms.linear_learner.losses import loss_function
from sagebrush.algorithms.linear_learner.optimizers import (
    DEFAULT_BETA_1,
    DEFAULT_BETA_2,
    DEFAULT_MOMENTUM,
    make_optimizer,
    shrink,
)
from sagebrush.algorithms.linear_learner.scaler import Scaler
from sagebrush.algorithms.linear_learner.settings import BINARY, Settings

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

DEFAULT_BIAS_LR_MULT = 1.0
AVERAGING_POWER = 2
DEFAULT_BIAS_WD_MULT = 0.0


class ParallelModels:
    """M linear models over d features, trained on the same mini-batches.

    ``class_weights`` (C,) weighs the rows of each class, or is None. What is judged and kept is not
    the last iterate but a running mean that weighs step t by about t^2, so that it covers the last
    third of the way: it lies closer to the optimum than any iterate (Shamir and Zhang, "Stochastic
    gradient descent for non-smooth optimization", ICML 2013, polynomial-decay averaging).
    """

    def __init__(
        self,
        settings: Settings,
        candidates: list[Candidate],
        scaler: Scaler,
        *,
        class_weights: Floats | None,
        rng: np.random.Generator,
        collective: Collective,
    ) -> None:
        self.settings = settings
        self.candidates = candidates
        self.scaler = scaler
        self.models = len(candidates)
        self.outputs = settings.outputs
        self._class_weights = class_weights
        self._collective = collective
        self._loss = loss_function(settings)
        width = scaler.feature_mean.shape[0]
        self.theta = self._initial(width, rng)
        self._optimizer = make_optimizer(
            settings.optimizer_name,
            (width + 1, self.models * self.outputs),
            momentum=_number(settings.momentum, DEFAULT_MOMENTUM),
            beta_1=_number(settings.beta_1, DEFAULT_BETA_1),
            beta_2=_number(settings.beta_2, DEFAULT_BETA_2),
        )
        self.mean_theta = self.theta.copy()
        self.steps = 0
        self._prepare_rows(width)
        self._prepare_columns()
        self.start_epoch()

    def _initial(self, width: int, rng: np.random.Generator) -> Floats:
        settings = self.settings
        shape = (width + 1, self.models * self.outputs)
        if settings.init_method == "normal":
            theta = rng.normal(0.0, settings.init_sigma, shape)
        else:
            theta = rng.uniform(-settings.init_scale, settings.init_scale, shape)
        theta[-1] = settings.init_bias if settings.use_bias else 0.0
        # Weights that no row can teach would stay at their random start.
        if self.scaler.constant is not None:
            theta[:-1][self.scaler.constant] = 0.0
        return theta.astype(np.float32)

    def _prepare_rows(self, width: int) -> None:
        settings = self.settings
        self._rate_of_row = np.ones((width + 1, 1), np.float32)
        self._rate_of_row[-1] = (
            _number(settings.bias_lr_mult, DEFAULT_BIAS_LR_MULT) if settings.use_bias else 0.0
        )
        self._decay_of_row = np.ones((width + 1, 1), np.float32)
        self._decay_of_row[-1] = _number(settings.bias_wd_mult, DEFAULT_BIAS_WD_MULT)

    def _prepare_columns(self) -> None:
        def column(name: str) -> Floats:
            values = [getattr(candidate, name) for candidate in self.candidates]
            return np.repeat(np.array(values, np.float32), self.outputs)

        self._learning_rate = column("learning_rate")
        self._wd = column("wd")
        self._l1 = column("l1")
        self._schedule_step = column("lr_scheduler_step")
        self._schedule_factor = column("lr_scheduler_factor")
        self._schedule_minimum = np.minimum(column("lr_scheduler_minimum_lr"), self._learning_rate)
        self._positive_weight = np.array(
            [candidate.positive_weight for candidate in self.candidates], np.float32
        )
        self._weighs_positives = bool((self._positive_weight != 1.0).any())
        # A penalty of zero everywhere need not be computed.
        self._decay = self._decay_of_row * self._wd if self._wd.any() else None

    def start_epoch(self) -> None:
        """Begin a new mean of the training losses."""
        self._loss_sum = np.zeros(self.models)
        self._weight_sum = np.zeros(self.models)

    def step(self, batch: Batch | None) -> bool:
        """One descent step on a mini-batch of this host and those of the others.

        The batch has raw rows (n, d), array or CSR, and raw labels (n,). A host that has no more
        rows passes None. False when no host had any, and nothing was done.
        """
        if batch is None or batch.labels is None:
            gradient = np.zeros(self.theta.shape, np.float32)
            loss = weight = np.zeros(self.models)
        else:
            gradient, loss, weight = self._gradient(batch.features, batch.labels)
        if self._collective.size > 1:
            repeated = np.repeat(np.stack([loss, weight]), self.outputs, axis=1)
            packed = self._collective.sum(np.concatenate([gradient, repeated]).astype(np.float32))
            gradient = packed[:-2]
            loss, weight = packed[-2, :: self.outputs], packed[-1, :: self.outputs]
        if not weight.any():
            return False
        self._loss_sum += loss
        self._weight_sum += weight
        gradient /= np.repeat(np.maximum(weight, 1e-30), self.outputs).astype(np.float32)
        self._descend(gradient)
        return True

    def _gradient(self, features: Any, labels: Floats) -> tuple[Floats, Doubles, Doubles]:
        """The summed gradient (d + 1, m), and per model the summed loss and weight."""
        rows = self.scaler.features(features)
        targets = self.scaler.labels(labels)
        scores = self._scores(rows)
        losses, by_score = self._loss(scores, targets)
        weights = self._row_weights(labels)
        if weights is None:
            loss = losses.sum(axis=0, dtype=np.float64)
            weight = np.full(self.models, float(labels.shape[0]))
        else:
            loss = (losses * weights).sum(axis=0, dtype=np.float64)
            weight = np.broadcast_to(weights, losses.shape).sum(axis=0, dtype=np.float64)
            by_score = by_score * (weights if by_score.ndim == 2 else weights[:, :, None])
        flat = by_score.reshape(labels.shape[0], -1)
        gradient = np.empty(self.theta.shape, np.float32)
        gradient[:-1] = rows.T @ flat
        gradient[-1] = flat.sum(axis=0)
        return gradient, loss, weight

    def _scores(self, rows: Any) -> Floats:
        scores = np.asarray(rows @ self.theta[:-1])
        scores += self.theta[-1]
        if self.outputs == 1:
            return scores
        return scores.reshape(scores.shape[0], self.models, self.outputs)

    def _row_weights(self, labels: Floats) -> Floats | None:
        """Weights of shape (n, M) or (n, 1); None when all are one."""
        if self._class_weights is not None:
            return self._class_weights[labels.astype(np.int64)][:, None]
        if self._weighs_positives and self.settings.predictor_type == BINARY:
            return np.where(labels[:, None] > 0, self._positive_weight, np.float32(1))
        return None

    def _descend(self, gradient: Floats) -> None:
        if self._decay is not None:
            gradient += self._decay * self.theta
        direction, spread = self._optimizer.direction(gradient)
        rate = self._rate() * self._rate_of_row
        self.theta -= rate * direction
        if self._l1.any():
            amount = rate * self._decay_of_row * self._l1
            shrink(self.theta, amount if spread is None else amount / spread)
        self.steps += 1
        share = (AVERAGING_POWER + 1) / (AVERAGING_POWER + self.steps)
        self.mean_theta += np.float32(share) * (self.theta - self.mean_theta)

    def _rate(self) -> Floats:
        """The learning rate of each column at this step: rate * factor^(steps // step)."""
        if not self.settings.use_lr_scheduler:
            return self._learning_rate
        decays = np.floor(np.float32(self.steps) / self._schedule_step)
        rate = self._learning_rate * self._schedule_factor**decays
        return np.asarray(np.maximum(rate, self._schedule_minimum))

    def train_losses(self) -> Doubles:
        """Per model the mean loss of the epoch's rows when they were seen, on scaled labels."""
        return self._loss_sum / np.maximum(self._weight_sum, 1e-30)

    def raw_parameters(self) -> tuple[Doubles, Doubles]:
        """The mean parameters in the space of raw rows: (d, M, C) and (M, C), float64."""
        mean = self.mean_theta.astype(np.float64)
        weights, bias = self.scaler.to_raw(mean[:-1], mean[-1])
        return (
            weights.reshape(-1, self.models, self.outputs),
            bias.reshape(self.models, self.outputs),
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that training goes on from, as named arrays."""
        optimizer = {f"optimizer_{name}": value for name, value in self._optimizer.state.items()}
        own = {"theta": self.theta, "mean_theta": self.mean_theta, "steps": np.array(self.steps)}
        return {**own, **optimizer}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a saved state; ClientError when it belongs to other hyperparameters."""
        own = self.state()
        if any(name not in state or state[name].shape != own[name].shape for name in own):
            raise ClientError(
                "The checkpoint was written by a training job with other hyperparameters or other "
                "data. Use another checkpoint location or the same hyperparameters."
            )
        self.theta[...] = state["theta"]
        self.mean_theta[...] = state["mean_theta"]
        self.steps = int(state["steps"])
        for name, value in self._optimizer.state.items():
            value[...] = state[f"optimizer_{name}"]


def _number(given: float | str, automatic: float) -> float:
    return automatic if given == "auto" else float(given)
