"""Searches hyperparameters: a plain Python library, usable without the platform.

from sagebrush.tuning.spaces import Continuous, Space
from sagebrush.tuning.bayesian import BayesianSearch, Observation

`spaces`, `random_search`, `grid`, `successive_halving` and `early_stopping` need nothing but the
standard library; `bayesian` needs numpy and scipy.
"""
