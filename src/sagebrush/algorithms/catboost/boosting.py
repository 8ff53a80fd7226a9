"""The boosting itself: CatBoost's own training, which a stop request ends after a round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular.csv_table import Table
from sagebrush.algorithms.tabular.targets import Classes

MISSING_WORD = "nan"
VALIDATION_NAME = "validation"
_PASSED_ON = (
    *("iterations", "learning_rate", "depth", "l2_leaf_reg", "random_strength", "rsm"),
    *("sampling_frequency", "bagging_temperature", "grow_policy", "random_seed"),
)


@dataclass(frozen=True)
class BoostingPlan:
    """How a model is trained.

    ``parameters`` are CatBoost's own. ``early_stopping_rounds`` of 0 or less train all rounds.
    ``verbose`` is how many rounds apart ``write_line`` gets a line, 0 for none. ``first_model`` is
    a model whose rounds come before.
    """

    parameters: Mapping[str, Any]
    early_stopping_rounds: int = 0
    verbose: int = 0
    first_model: Any = None
    write_line: Callable[[str], None] = print
    stop_requested: Callable[[], bool] = field(default=lambda: False)


def library_parameters(
    values: Mapping[str, Any], classes: Classes | None, threads: int
) -> dict[str, Any]:
    """CatBoost's parameters for hyperparameter values; ``classes`` is None for regression."""
    parameters: dict[str, Any] = {name: values[name] for name in _PASSED_ON}
    count = int(values["thread_count"])
    # More than the job's processors are slower, and at 100,000 end the process.
    parameters["thread_count"] = threads if count == -1 else min(count, threads)
    policy = values["grow_policy"]
    if policy == "Lossguide":
        parameters["max_leaves"] = values["max_leaves"]
        # It grows leaf by leaf and knows no levels; CatBoost refuses the default.
        parameters["sampling_frequency"] = "PerTree"
    if policy != "SymmetricTree":
        parameters["min_data_in_leaf"] = values["min_data_in_leaf"]
    for name, automatic in (("boosting_type", "Auto"), ("max_bin", "Auto")):
        if values[name] != automatic:
            parameters[name] = values[name]
    loss, metric = ("RMSE", "RMSE")
    if classes is not None:
        loss, metric = ("Logloss", "AUC") if classes.is_binary else ("MultiClass", "MultiClass")
        if classes.is_binary:
            parameters["scale_pos_weight"] = values["scale_pos_weight"]
    parameters["loss_function"] = loss
    parameters["eval_metric"] = metric if values["eval_metric"] == "auto" else values["eval_metric"]
    return parameters


def boost(plan: BoostingPlan, training: Any, validation: Any) -> Any:
    """The trained ``catboost.CatBoost``, cut after its best round on the validation pool.

    The pools are `pool`'s; ``validation`` may be None. ClientError for hyperparameters and data
    that CatBoost refuses.
    """
    import catboost

    try:
        model = catboost.CatBoost({**plan.parameters, "allow_writing_files": False})
        model.fit(
            training,
            eval_set=validation,
            early_stopping_rounds=max(plan.early_stopping_rounds, 0) or None,
            verbose=plan.verbose or False,
            init_model=plan.first_model,
            callbacks=[_StopWhenAsked(plan.stop_requested)],
            log_cout=_Lines(plan.write_line),
            log_cerr=_Lines(plan.write_line),
        )
    except catboost.CatBoostError as error:
        raise ClientError(f"CatBoost refuses the data or the hyperparameters: {error}") from error
    return model


def pool(table: Table, target: NDArray[Any] | None = None) -> Any:
    """The table as CatBoost takes it; its features are called feature_0, feature_1, ...

    An empty cell of a categorical column is a category of its own.
    """
    import catboost

    names = [f"feature_{index}" for index in range(table.numbers.shape[1])]
    if not table.categories:
        return catboost.Pool(table.numbers, target, feature_names=names)
    import pandas as pd

    columns: dict[str, Any] = {}
    for index, name in enumerate(names):
        coded = table.categories.get(index)
        if coded is None:
            columns[name] = table.numbers[:, index]
        else:
            words = list(dict.fromkeys([*coded.words, MISSING_WORD]))
            codes = np.where(coded.codes < 0, words.index(MISSING_WORD), coded.codes)
            columns[name] = pd.Categorical.from_codes(codes, categories=words)
    return catboost.Pool(
        pd.DataFrame(columns), target, cat_features=sorted(table.categories), feature_names=names
    )


class _StopWhenAsked:
    def __init__(self, stop_requested: Callable[[], bool]) -> None:
        self._stop_requested = stop_requested

    def after_iteration(self, _info: Any) -> bool:
        """Whether training goes on."""
        return not self._stop_requested()


class _Lines:
    """A text stream that hands whole lines on."""

    def __init__(self, write_line: Callable[[str], None]) -> None:
        self._write_line = write_line
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        """Lines are handed on at once."""
