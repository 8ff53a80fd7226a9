"""Objectives as a Gaussian process can model them."""

import numpy as np
from scipy.stats import yeojohnson

from sagebrush.tuning.gaussian_process import Floats

_FAR_OUT = 100.0
_LEAST_BENT = 8
_BENDS = np.linspace(-2.0, 4.0, 61)


def standardised(values: Floats) -> Floats:
    """Values with mean 0 and variance 1, bent towards a normal distribution, in the same order.

    Those very far out count as merely far out.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    reach = _FAR_OUT * (high - low)
    if reach > 0.0:
        values = np.clip(values, middle - reach, middle + reach)
    else:
        values = np.sign(values - middle)
    scaled = _scaled(values)
    if len(values) >= _LEAST_BENT and reach > 0.0:
        scaled = _scaled(yeojohnson(scaled, _bend(scaled)))
    return scaled


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
