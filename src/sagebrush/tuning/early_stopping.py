"""Whether a running trial may be stopped because others were better at its age.

A trial's `curve` is the objective after each epoch, oriented so that less is better.
"""

from collections.abc import Sequence
from itertools import accumulate
from statistics import median

Curve = Sequence[float]

LEAST_FINISHED_TRIALS = 4
LEAST_EPOCHS = 3


def falls_behind(curve: Curve, finished: Sequence[Curve]) -> bool:
    """Whether the median rule stops a trial; ``finished`` are running averages of other trials.

    After each epoch its objective is compared with the median, over the finished trials, of their
    running averages up to the same epoch; worse means stop (the documentation of SageMaker's early
    stopping). Vizier's rule (Golovin et al., *Google Vizier*, 2017) takes the best objective so far
    instead; but a trial here ends with its last one, so one that has got worse, by overfitting, is
    to be stopped. Nothing is stopped before it has run for some epochs, or before some trials have
    finished.
    """
    age = len(curve)
    if age < LEAST_EPOCHS:
        return False
    averages = [each[age - 1] for each in finished if len(each) >= age]
    if len(averages) < LEAST_FINISHED_TRIALS:
        return False
    return curve[-1] > median(averages)


def running_averages(curve: Curve) -> list[float]:
    """The mean of the curve up to each epoch."""
    return [total / count for count, total in enumerate(accumulate(curve), 1)]
