"""The small jobs of all algorithms, for the contract every algorithm keeps.

Each algorithm's test folder has a `contract_example.py` with its `EXAMPLES`; `ESTIMATOR` there, if
any, is the dotted name of its estimator.
"""

import importlib
from pathlib import Path

from tests.unit.algorithms.contract import Example

_MODULES = [
    importlib.import_module(f"tests.unit.algorithms.{path.parent.name}.contract_example")
    for path in sorted(Path(__file__).parent.glob("*/contract_example.py"))
]

EXAMPLES: tuple[Example, ...] = tuple(each for module in _MODULES for each in module.EXAMPLES)
ESTIMATORS: dict[str, str] = {
    module.EXAMPLES[0].algorithm: module.ESTIMATOR
    for module in _MODULES
    if hasattr(module, "ESTIMATOR")
}
"""Estimators of our own, by algorithm; XGBoost's are the library's."""
