"""The documented hyperparameters of Linear Learner: types, ranges, defaults, cross-field rules."""

from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import (
    Boolean,
    Categorical,
    Continuous,
    Field,
    Integer,
)
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    CRITERIA,
    LOSSES_OF,
    MULTICLASS,
    REGRESSOR,
)

AUTO = ("auto",)
FEWEST_CLASSES = 3
MOST_MODELS = 10_000
"""AWS documents no bound; all of them are held in memory together."""
MOST_CLASSES = 1_000_000

_TASK = (
    Categorical(
        "predictor_type",
        required=True,
        choices=(BINARY, MULTICLASS, REGRESSOR),
        description="What is learned.",
    ),
    Integer(
        "num_classes",
        default=1,
        low=1,
        high=MOST_CLASSES,
        description="Classes of a multiclass_classifier, 3 to 1000000.",
    ),
    Integer("feature_dim", default="auto", words=AUTO, low=1, description="Features of a row."),
    Categorical(
        "loss",
        default="auto",
        words=AUTO,
        choices=tuple(name for names in LOSSES_OF.values() for name in names),
        description="What is minimised; auto is logistic, softmax_loss or squared_loss.",
    ),
    Continuous("margin", default=1.0, low=0.0, description="Margin of hinge_loss."),
    Continuous(
        "quantile",
        default=0.5,
        low=0.0,
        low_open=True,
        high=1.0,
        high_open=True,
        description="Quantile of quantile_loss.",
    ),
    Continuous(
        "loss_insensitivity",
        default=0.01,
        low=0.0,
        low_open=True,
        description="Half width of the tube of the eps_insensitive losses.",
    ),
    Continuous("huber_delta", default=1.0, low=0.0, description="Where huber_loss turns linear."),
)

_PASSES = (
    Integer(
        "mini_batch_size",
        default=1000,
        low=1,
        tunable=True,
        tune_low=100,
        tune_high=5000,
        description="Rows per step and host; at most the rows of a host.",
    ),
    Integer("epochs", default=15, low=1, description="Passes over the training data at most."),
    Integer(
        "early_stopping_patience",
        default=3,
        low=1,
        description="Epochs without progress after which training ends.",
    ),
    Continuous(
        "early_stopping_tolerance",
        default=0.001,
        low=0.0,
        low_open=True,
        description="Relative change that counts as progress.",
    ),
    Integer(
        "num_models",
        default="auto",
        words=AUTO,
        low=1,
        high=MOST_MODELS,
        description="Models; auto is 32.",
    ),
)

_SELECTION = (
    Categorical(
        "binary_classifier_model_selection_criteria",
        default="accuracy",
        choices=CRITERIA,
        description="What the model and the threshold of a binary_classifier are chosen by.",
    ),
    Continuous(
        "target_recall",
        default=0.8,
        low=0.0,
        low_open=True,
        high=1.0,
        high_open=True,
        description="Recall to keep under precision_at_target_recall.",
    ),
    Continuous(
        "target_precision",
        default=0.8,
        low=0.0,
        low_open=True,
        high=1.0,
        high_open=True,
        description="Precision to keep under recall_at_target_precision.",
    ),
    Continuous("f_beta", default=1.0, low=0.0, low_open=True, description="Beta of the F score."),
    Integer("accuracy_top_k", default=3, low=1, description="k of the top-k accuracy."),
    Integer(
        "num_calibration_samples",
        default="auto",
        words=AUTO,
        low=1,
        description="Rows at most on which the threshold is set.",
    ),
    Continuous(
        "positive_example_weight_mult",
        default=1.0,
        words=("balanced", "auto"),
        low=0.0,
        low_open=True,
        tunable=True,
        tune_low=1e-5,
        tune_high=1e5,
        description="Weight of the rows with label 1.",
    ),
    Boolean(
        "balance_multiclass_weights",
        default=False,
        description="Whether all classes get the same total weight.",
    ),
)

_OPTIMIZATION = (
    Categorical(
        "optimizer",
        default="auto",
        words=AUTO,
        choices=("sgd", "adam", "rmsprop"),
        description="auto is adam.",
    ),
    Continuous(
        "learning_rate",
        default="auto",
        words=AUTO,
        low=0.0,
        low_open=True,
        tunable=True,
        tune_low=1e-5,
        tune_high=1.0,
        description="Step size; auto tries two.",
    ),
    *(
        Continuous(
            name,
            default="auto",
            words=AUTO,
            low=0.0,
            high=1.0,
            high_open=True,
            description=description,
        )
        for name, description in (
            ("momentum", "Momentum of sgd."),
            ("beta_1", "Decay of adam's mean; auto is 0.9."),
            ("beta_2", "Decay of adam's mean square; auto is 0.999."),
        )
    ),
    *(
        Continuous(
            name,
            default="auto",
            words=AUTO,
            low=0.0,
            tunable=True,
            tune_low=1e-7,
            tune_high=1.0,
            description=f"{norm} regularisation; auto tries several.",
        )
        for name, norm in (("wd", "L2"), ("l1", "L1"))
    ),
    Boolean("use_bias", default=True, tunable=True, description="Whether there is a bias."),
    Continuous(
        "bias_lr_mult",
        default="auto",
        words=AUTO,
        low=0.0,
        low_open=True,
        description="The bias's learning rate, relatively.",
    ),
    Continuous(
        "bias_wd_mult",
        default="auto",
        words=AUTO,
        low=0.0,
        description="The bias's L2 regularisation, relatively; auto is 0.",
    ),
    Boolean("use_lr_scheduler", default=True, description="Whether the learning rate falls."),
    Integer(
        "lr_scheduler_step",
        default="auto",
        words=AUTO,
        low=1,
        description="Steps after which the learning rate falls.",
    ),
    Continuous(
        "lr_scheduler_factor",
        default="auto",
        words=AUTO,
        low=0.0,
        low_open=True,
        high=1.0,
        high_open=True,
        description="What the learning rate is multiplied by when it falls.",
    ),
    Continuous(
        "lr_scheduler_minimum_lr",
        default="auto",
        words=AUTO,
        low=0.0,
        low_open=True,
        description="Where the learning rate stops falling.",
    ),
)

_START_AND_SCALE: tuple[Field, ...] = (
    Categorical(
        "init_method",
        default="uniform",
        choices=("uniform", "normal"),
        description="Distribution of the initial weights.",
    ),
    Continuous(
        "init_scale",
        default=0.07,
        low=0.0,
        low_open=True,
        description="Half width of the uniform distribution.",
    ),
    Continuous(
        "init_sigma",
        default=0.01,
        low=0.0,
        low_open=True,
        description="Standard deviation of the normal distribution.",
    ),
    Continuous("init_bias", default=0.0, description="Initial bias."),
    Boolean(
        "normalize_data",
        default=True,
        words=AUTO,
        description="Whether features are divided by their standard deviation.",
    ),
    Boolean(
        "normalize_label",
        default="auto",
        words=AUTO,
        description="Whether a regressor's labels are divided by their standard deviation.",
    ),
    Boolean(
        "unbias_data",
        default="auto",
        words=AUTO,
        description="Whether features are shifted to mean zero; sparse ones never are.",
    ),
    Boolean(
        "unbias_label",
        default="auto",
        words=AUTO,
        description="Whether a regressor's labels are shifted to mean zero.",
    ),
    Integer(
        "num_point_for_scaler",
        default=10_000,
        low=1,
        description="First rows from which means and standard deviations are taken.",
    ),
)


def _check_classes(values: dict[str, Any]) -> None:
    if values["predictor_type"] == MULTICLASS and values["num_classes"] < FEWEST_CLASSES:
        raise ClientError(
            "The hyperparameter num_classes is required for predictor_type 'multiclass_classifier' "
            f"and must be at least {FEWEST_CLASSES}, but it is {values['num_classes']}."
        )


def _check_loss(values: dict[str, Any]) -> None:
    allowed = ("auto", *LOSSES_OF[values["predictor_type"]])
    if values["loss"] not in allowed:
        listed = ", ".join(repr(name) for name in allowed)
        raise ClientError(
            f"The loss {values['loss']!r} is not valid for predictor_type "
            f"{values['predictor_type']!r}, which expects one of {listed}."
        )


SCHEMA = Schema(
    (*_TASK, *_PASSES, *_SELECTION, *_OPTIMIZATION, *_START_AND_SCALE),
    rules=(_check_classes, _check_loss),
)
