"""The two kinds of problem."""

from typing import Literal

ProblemType = Literal["classification", "regression"]
CLASSIFICATION: ProblemType = "classification"
REGRESSION: ProblemType = "regression"
