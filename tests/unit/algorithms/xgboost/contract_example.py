"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import BadData, Example

_ROW = b"0,1,2,3,4\n"
BAD_DATA: dict[str, BadData | str] = {
    # NaN stands for no value.
    "not_finite": BadData(
        2 * _ROW + b"0,1,inf,3,4\n",
        r"Unable to read train/part-0: its row 3 has a feature that is infinite",
        "text/csv",
    ),
    "wrong_feature_dim": BadData(
        9 * _ROW,
        r"Number of columns does not match number of features",
        "text/csv",
        channels={"validation": 9 * b"0,1,2,3,4,5\n"},
    ),
    "single_class": "objectives of XGBoost accept labels that are all alike, in the image, too",
}

EXAMPLES = (
    Example(
        "xgboost",
        {"num_round": "3", "objective": "reg:squarederror"},
        metrics=("train:rmse", "validation:rmse"),
        name="regression",
        bad_data=BAD_DATA,
        # Version 1.7 comes to its bins another way and has a test of its own.
        large_image_tag="3.0-5",
        keeping_model_on_stop={"save_model_on_termination": "true"},
    ),
    Example(
        "xgboost",
        {"num_round": "3", "objective": "multi:softprob", "num_class": "3"},
        classes=3,
        metrics=("train:mlogloss", "validation:mlogloss"),
        name="classes",
        bad_data=BAD_DATA
        | {
            "label_out_of_range": BadData(
                9 * _ROW + 9 * b"-1,1,2,3,4\n", r"label must be in \[0, num_class\)", "text/csv"
            )
        },
        keeping_model_on_stop={"save_model_on_termination": "true"},
    ),
)
