"""The documented hyperparameters of CatBoost: types, ranges, defaults."""

from sagebrush.algorithms.hyperparameter_fields import Categorical, Continuous, Integer, Text
from sagebrush.algorithms.tabular.fields import CALLING_FIELDS, ScriptSchema, set_problem_type

_TREES = (
    Integer(
        "depth",
        default=6,
        low=1,
        high=16,
        tunable=True,
        tune_low=4,
        tune_high=10,
        description="Depth of a tree.",
    ),
    Integer(
        "l2_leaf_reg",
        default=3,
        low=1,
        tunable=True,
        tune_low=2,
        tune_high=10,
        description="L2 penalty.",
    ),
    Continuous(
        "random_strength",
        default=1.0,
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=10,
        description="Noise in the scores of splits.",
    ),
    Integer(
        "max_leaves",
        default=31,
        low=2,
        high=64,
        description="Most leaves of a tree; used with grow_policy Lossguide.",
    ),
    Continuous(
        "rsm",
        default=1.0,
        low=0,
        low_open=True,
        high=1,
        description="Share of features drawn for each split.",
    ),
    Integer(
        "min_data_in_leaf",
        default=1,
        low=1,
        description="Least rows in a leaf; used with grow_policy Depthwise and Lossguide.",
    ),
    Integer(
        "max_bin",
        default="Auto",
        words=("Auto",),
        low=1,
        high=65_535,
        description="Splits of a numerical feature.",
    ),
    Categorical(
        "grow_policy",
        default="SymmetricTree",
        choices=("SymmetricTree", "Depthwise", "Lossguide"),
        description="How a tree grows.",
    ),
)

_SAMPLING = (
    Categorical(
        "sampling_frequency",
        default="PerTreeLevel",
        choices=("PerTreeLevel", "PerTree"),
        description="How often rows and weights are drawn; Lossguide draws for each tree.",
    ),
    Continuous(
        "bagging_temperature",
        default=1.0,
        low=0,
        description="Spread of the rows' random weights; 0 gives all the same.",
    ),
    Categorical(
        "boosting_type",
        default="Auto",
        choices=("Auto", "Ordered", "Plain"),
        description="Ordered boosting or the classic scheme.",
    ),
    Continuous(
        "scale_pos_weight",
        default=1.0,
        low=0,
        low_open=True,
        description="Weight of the larger label's rows, where there are two labels.",
    ),
)

SCHEMA = ScriptSchema(
    fields=(
        Integer("iterations", default=500, low=1, description="Trees at most."),
        Integer(
            "early_stopping_rounds",
            default=5,
            description="Rounds without a better validation score before it ends; 0 and less: all.",
        ),
        Text(
            "eval_metric",
            default="auto",
            description="Score on the validation data, any of CatBoost's; auto: RMSE, AUC or "
            "MultiClass.",
        ),
        Continuous(
            "learning_rate",
            default=0.009,
            low=0,
            low_open=True,
            high=1,
            high_open=True,
            tunable=True,
            tune_low=0.001,
            tune_high=0.01,
            description="Shrinkage of each tree.",
        ),
        *_TREES,
        *_SAMPLING,
        Integer("random_seed", default=1, low=0, description="Seed of the random numbers."),
        Integer(
            "thread_count",
            default="-1",
            words=("-1",),
            low=1,
            description="Threads; -1: all of the instance.",
        ),
        Integer("verbose", default=1, low=1, description="Rounds between two lines of scores."),
        *CALLING_FIELDS,
    ),
    rules=(set_problem_type,),
)
