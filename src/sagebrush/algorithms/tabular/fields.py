"""Hyperparameters that come from the way a tabular algorithm is called, not from the algorithm."""

import json
import re
from collections.abc import Mapping
from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Categorical, Field, Text
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION, REGRESSION, ProblemType

PROBLEM_TYPES: tuple[ProblemType, ...] = (CLASSIFICATION, REGRESSION)
PROBLEM_TYPE = "problem_type"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"

_FOLDER = re.compile(r"/(?:transfer_learning|training)/(classification|regression)/")
_CONTAINER_NAMES = (
    *("sagemaker_program", SUBMIT_DIRECTORY, "sagemaker_container_log_level"),
    *("sagemaker_job_name", "sagemaker_region", "sagemaker_s3_output"),
)


class ScriptSchema(Schema):
    """A schema whose values may come as JSON text, as clients send those of a script's job."""

    def parse(self, strings: Mapping[str, str]) -> dict[str, Any]:
        """See `Schema.parse`; a value within quotes counts as what it quotes."""
        return super().parse({name: _unquoted(text) for name, text in strings.items()})


def _unquoted(text: str) -> str:
    if len(text) < 2 or not text.startswith('"'):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, str) else text


CALLING_FIELDS: tuple[Field, ...] = (
    Categorical(
        PROBLEM_TYPE,
        choices=PROBLEM_TYPES,
        description=(
            "What is learned, where no script of a model id says so: classification or regression."
        ),
    ),
    *(Text(name, hidden=True) for name in _CONTAINER_NAMES),
)
"""Every tabular algorithm's schema ends with these."""


def set_problem_type(values: dict[str, Any]) -> None:
    """A schema's rule: the problem type as given, else that of the model id's training script.

    ClientError if neither says it.
    """
    if values[PROBLEM_TYPE] is not None:
        return
    match = _FOLDER.search(values[SUBMIT_DIRECTORY] or "")
    if match is None:
        raise ClientError(
            f"No value was specified for {PROBLEM_TYPE!r}, which is required unless the training "
            f"script of a model id is used; it is one of {list(PROBLEM_TYPES)}."
        )
    values[PROBLEM_TYPE] = match[1]
