"""A preference for the inside of the space that gives way to what is observed.

A Gaussian process knows least at the edges, so that expected improvement looks there first: with
few observations about half of the coordinates it suggests are at an end of their range. Good values
seldom are. So numeric coordinates u in [0, 1] are expected to follow the density 6 u (1 - u), which
is Beta(2, 2), as far as nothing is known.

Adding the logarithm of such a belief, with a weight that falls with the observations: Hvarfner et
al., *πBO: Augmenting Acquisition Functions with User Beliefs for Bayesian Optimization*, 2022. That
edges are explored too much: Siivola et al., *Correcting boundary over-exploration deficiencies in
Bayesian optimization with virtual derivative sign observations*, 2018.
"""

import numpy as np

from sagebrush.tuning.gaussian_process import Flags, Floats

_WEIGHT = 10.0
"""How many observations it takes until the belief counts as much as what a process promises."""
_AT_THE_EDGE = 0.05
"""The share of the density in the middle that is left at the edge: no place is impossible."""


def drawn_inwards(cube: Floats, numeric: Flags) -> Floats:
    """Positions (m, D) that are uniform in the unit cube, as positions that follow the belief.

    Those in dimensions that are not ``numeric`` stay as they are.
    """
    places = cube.copy()
    # The inverse of 3 u² - 2 u³, the distribution function of Beta(2, 2).
    places[:, numeric] = 0.5 - np.sin(np.arcsin(1.0 - 2.0 * cube[:, numeric]) / 3.0)
    return places


class Preference:
    """What is added to the logarithm of a promise: the nearer to an edge, the further below 0.

    0 in each dimension in which ``incumbent`` (D,), the best point that was observed, is as near to
    an edge: an optimum at the edge is found in steps, not denied. ``observations`` is how many
    there are.
    """

    def __init__(self, numeric: Flags, incumbent: Floats, observations: int) -> None:
        self._numeric = numeric
        self._reached = np.log(_density(incumbent[numeric]))
        self._weight = _WEIGHT / observations

    def __call__(self, points: Floats) -> Floats:
        """Values (m,), 0 or less, at (m, D) points."""
        belief = np.log(_density(points[:, self._numeric])) - self._reached
        return np.asarray(self._weight * np.minimum(belief, 0.0).sum(axis=1))

    def gradients(self, points: Floats) -> Floats:
        """How the values change (m, D) with each coordinate of (m, D) points."""
        places = points[:, self._numeric]
        density = _density(places)
        slopes = (1.0 - _AT_THE_EDGE) * (4.0 - 8.0 * places) / density
        gradients = np.zeros_like(points)
        gradients[:, self._numeric] = np.where(
            np.log(density) < self._reached, self._weight * slopes, 0.0
        )
        return gradients


def _density(places: Floats) -> Floats:
    """The density at each place, as a share of that in the middle."""
    return np.asarray(_AT_THE_EDGE + (1.0 - _AT_THE_EDGE) * 4.0 * places * (1.0 - places))
