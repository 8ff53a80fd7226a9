"""CatBoost's model folder: the file ``model`` in CatBoost's own format, as AWS's script leaves."""

from pathlib import Path
from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION, REGRESSION, ProblemType

MODEL_NAME = "model"
_CLASSIFYING_LOSSES = {"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"}


def save(model: Any, folder: Path) -> None:
    """Write the model's file into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_model(str(folder / MODEL_NAME), format="cbm")


def load(folder: Path) -> Any:
    """The ``catboost.CatBoost`` of a folder, ours or AWS's; ClientError if there is none."""
    import catboost

    paths = [folder / MODEL_NAME, *sorted(folder.glob("*.cbm"))]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise ClientError(f"There is no model file {MODEL_NAME} in the model.")
    model = catboost.CatBoost()
    try:
        model.load_model(str(found))
        model.get_all_params()  # reads the parameters in the file, which serving asks for
    except catboost.CatBoostError as error:
        raise ClientError(f"{found.name} is no CatBoost model: {error}") from error
    return model


def problem_type_of(model: Any) -> ProblemType:
    """What the model was trained for."""
    loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
    return CLASSIFICATION if loss in _CLASSIFYING_LOSSES else REGRESSION


def labels_of(model: Any) -> tuple[int, ...]:
    """The labels of the model's classes in order, empty for regression."""
    if problem_type_of(model) == REGRESSION:
        return ()
    return tuple(int(float(label)) for label in model.classes_)
