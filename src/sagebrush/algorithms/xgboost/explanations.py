"""What a model can say of a row besides its prediction: margins, Shapley values, leaves.

The hosted images answer with predictions alone; here SAGEMAKER_INFERENCE_OUTPUT may name these too.
"""

from typing import Any

EXPLANATIONS: dict[str, dict[str, bool]] = {
    "margin": {"output_margin": True},
    "shap_values": {"pred_contribs": True},
    "shap_interactions": {"pred_interactions": True},
    "leaf_indices": {"pred_leaf": True},
}
"""Key to the option of ``Booster.predict`` that computes it.

``margin``: before the objective's transformation. ``shap_values``: a number for each feature and
last the bias, which add up to the margin (Lundberg et al., *Consistent Individualized Feature
Attribution for Tree Ensembles*, 2018). ``shap_interactions``: a square matrix of them, whose rows
add up to ``shap_values``. ``leaf_indices``: the leaf of each tree. Several classes give a list of
each.
"""


def with_explanations(
    rows: list[dict[str, Any]], explained: dict[str, list[Any]], keys: list[str]
) -> list[dict[str, Any]]:
    """The outputs of each row and what was explained of it, in the order of the keys."""
    merged = [
        {**row, **{key: values[index] for key, values in explained.items()}}
        for index, row in enumerate(rows)
    ]
    return [{key: row[key] for key in keys} for row in merged]
