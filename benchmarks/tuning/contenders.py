"""Who searches: each contender suggests configurations and is told what they were worth.

A contender's libraries are imported when it is made, so that this module can be listed anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sagebrush.tuning.spaces import Categorical, Configuration, Integer, Parameter, Space, Value

OURS = "Sagebrush"
RANDOM = "random search"


class Search(Protocol):
    """A search in progress."""

    def ask(self) -> tuple[Any, Configuration]:
        """Return a handle and the configuration to try next, while others may be pending."""

    def tell(self, handle: Any, value: float) -> None:
        """Say what the configuration of that handle is worth; less is better."""

    def teach(self, known: Sequence[tuple[dict[str, Value], float]]) -> None:
        """Say what configurations are worth that the search did not suggest."""


@dataclass(frozen=True)
class Contender:
    """A way to search; ``environment`` names the peers' environment it needs, if one.

    ``start`` takes the space, a seed, how many trials run at once and whether there is noise.
    """

    name: str
    start: Callable[[Space, int, int, bool], Search]
    environment: str = "tuning"


class _Sagebrush:
    def __init__(self, space: Space, seed: int, _at_once: int, _noisy: bool) -> None:
        from sagebrush.tuning.bayesian import BayesianSearch, Observation

        self._search = BayesianSearch(space, seed)
        self._observation = Observation
        self._observed: list[Observation] = []
        self._pending: list[dict[str, Value]] = []

    def ask(self) -> tuple[Any, Configuration]:
        found = self._search.suggest(self._observed, self._pending)
        self._pending.append(found)
        return found, found

    def tell(self, handle: Any, value: float) -> None:
        self._pending.remove(handle)
        self._observed.append(self._observation(handle, value))

    def teach(self, known: Sequence[tuple[dict[str, Value], float]]) -> None:
        self._observed += [self._observation(*each) for each in known]


class _Random:
    def __init__(self, space: Space, seed: int, _at_once: int, _noisy: bool) -> None:
        self._space, self._seed, self._count = space, seed, 0

    def ask(self) -> tuple[Any, Configuration]:
        from sagebrush.tuning.random_search import random_configuration

        self._count += 1
        return None, random_configuration(self._space, self._seed, self._count)

    def tell(self, handle: Any, value: float) -> None:
        pass

    def teach(self, known: Sequence[tuple[dict[str, Value], float]]) -> None:
        pass


class _Optuna:
    def __init__(self, space: Space, sampler: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=sampler)
        self._distributions = {
            each.name: _optuna_distribution(optuna.distributions, each) for each in space.parameters
        }

    def ask(self) -> tuple[Any, Configuration]:
        trial = self._study.ask(self._distributions)
        return trial, trial.params

    def tell(self, handle: Any, value: float) -> None:
        self._study.tell(handle, value)

    def teach(self, known: Sequence[tuple[dict[str, Value], float]]) -> None:
        from optuna.trial import create_trial

        for configuration, value in known:
            trial = create_trial(
                params=configuration, distributions=self._distributions, value=value
            )
            self._study.add_trial(trial)


def _optuna_distribution(kinds: Any, parameter: Parameter) -> Any:
    if isinstance(parameter, Categorical):
        return kinds.CategoricalDistribution(parameter.values)
    logarithmic = parameter.scaling == "Logarithmic"
    if isinstance(parameter, Integer):
        return kinds.IntDistribution(parameter.low, parameter.high, log=logarithmic)
    return kinds.FloatDistribution(parameter.low, parameter.high, log=logarithmic)


def _optuna_tpe(space: Space, seed: int, at_once: int, _noisy: bool) -> Search:
    import optuna

    return _Optuna(space, optuna.samplers.TPESampler(seed=seed, constant_liar=at_once > 1))


def _optuna_gp(space: Space, seed: int, _at_once: int, noisy: bool) -> Search:
    import optuna

    sampler = optuna.samplers.GPSampler(seed=seed, deterministic_objective=not noisy)
    return _Optuna(space, sampler)


class _SyneTune:
    def __init__(self, space: Space, seed: int, method: str) -> None:
        self._space, self._seed, self._method = space, seed, method
        self._scheduler = self._started([])

    def _started(self, first: list[dict[str, Value]]) -> Any:
        from syne_tune.optimizer import baselines
        from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

        scheduler = getattr(baselines, self._method)(
            config_space={each.name: syne_tune_domain(each) for each in self._space.parameters},
            metric="loss",
            do_minimize=True,
            random_seed=self._seed,
            points_to_evaluate=first,
        )
        return AskTellScheduler(scheduler)

    def ask(self) -> tuple[Any, Configuration]:
        trial = self._scheduler.ask()
        return trial, trial.config

    def tell(self, handle: Any, value: float) -> None:
        self._scheduler.tell(handle, {"loss": value})

    def teach(self, known: Sequence[tuple[dict[str, Value], float]]) -> None:
        self._scheduler = self._started([each for each, _ in known])
        for _, value in known:
            self.tell(self._scheduler.ask(), value)


def syne_tune_domain(parameter: Parameter) -> Any:
    """Return a parameter in syne-tune's terms."""
    from syne_tune import config_space as kinds

    if isinstance(parameter, Categorical):
        return kinds.choice(list(parameter.values))
    logarithmic = parameter.scaling == "Logarithmic"
    if isinstance(parameter, Integer):
        kind = kinds.lograndint if logarithmic else kinds.randint
    else:
        kind = kinds.loguniform if logarithmic else kinds.uniform
    return kind(parameter.low, parameter.high)


def _syne_tune(method: str) -> Callable[[Space, int, int, bool], Search]:
    return lambda space, seed, _at_once, _noisy: _SyneTune(space, seed, method)


CONTENDERS: tuple[Contender, ...] = (
    Contender(OURS, _Sagebrush, ""),
    Contender(RANDOM, _Random, ""),
    Contender("Optuna TPE", _optuna_tpe),
    Contender("Optuna GP", _optuna_gp),
    Contender("syne-tune TPE", _syne_tune("TPE")),
    Contender("syne-tune BORE", _syne_tune("BORE")),
    Contender("syne-tune CQR", _syne_tune("CQR")),
    Contender("syne-tune BoTorch", _syne_tune("BOTorch")),
)


def contender(name: str) -> Contender:
    """Return the contender of that name; KeyError if there is none."""
    return {each.name: each for each in CONTENDERS}[name]
