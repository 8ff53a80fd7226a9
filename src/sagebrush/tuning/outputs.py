"""Objectives as a Gaussian process can model them."""

import numpy as np
from scipy.stats import yeojohnson

from sagebrush.tuning.gaussian_process import Floats

_FAR_OUT = 100.0
_GOOD_REACH = 3.0
_LEAST_BENT = 8
_BENDS = np.linspace(-2.0, 4.0, 61)


def standardised(values: Floats) -> Floats:
    """Values with mean 0 and variance 1, bent towards a normal distribution, in the same order.

    Less is better. Those very far out count as merely far out, and bad ones are drawn in.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    reach = _FAR_OUT * (high - low)
    if reach > 0.0:
        values = _bad_drawn_in(np.clip(values, middle - reach, middle + reach), middle)
    else:
        values = np.sign(values - middle)
    scaled = _scaled(values)
    if len(values) >= _LEAST_BENT and reach > 0.0:
        scaled = _scaled(yeojohnson(scaled, _bend(scaled)))
    return scaled


def _bad_drawn_in(values: Floats, middle: float) -> Floats:
    """The same values, logarithmic from where they are as far above the middle as counts.

    Trainings that diverge or learn nothing are a hundred times worse than good ones are unlike each
    other. To a process that has to explain all of that, what makes good ones differ is noise.
    """
    reach = _GOOD_REACH * float(middle - values.min())
    if reach <= 0.0:
        return values
    above = np.maximum((values - middle) / reach, 1.0)
    return np.where(above > 1.0, middle + reach * (1.0 + np.log(above)), values)


def _scaled(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread else np.zeros_like(values))


def _bend(values: Floats) -> float:
    """Yeo and Johnson's lambda of the largest likelihood, to a tenth.

    Their profile likelihood, for all lambdas at once: scipy's search takes several times as long.
    """
    magnitude = np.log1p(np.abs(values))
    positive = values >= 0.0
    powers = np.where(positive, _BENDS[:, None], 2.0 - _BENDS[:, None])
    # (exp(p m) - 1) / p, with its limit at p = 0.
    safe = np.where(np.abs(powers) < 1e-9, 1.0, powers)
    bent = np.where(np.abs(powers) < 1e-9, magnitude, np.expm1(powers * magnitude) / safe)
    bent = np.where(positive, bent, -bent)
    spread = np.maximum(bent.var(axis=1), 1e-300)
    slope = (_BENDS - 1.0) * float((np.sign(values) * magnitude).sum())
    return float(_BENDS[np.argmax(slope - 0.5 * len(values) * np.log(spread))])
