"""The hyperparameters of Linear Learner as plain values, with what follows from them."""

from dataclasses import dataclass
from typing import Literal

Auto = Literal["auto"]

BINARY = "binary_classifier"
MULTICLASS = "multiclass_classifier"
REGRESSOR = "regressor"

DEFAULT_LOSS = {BINARY: "logistic", MULTICLASS: "softmax_loss", REGRESSOR: "squared_loss"}
LOSSES_OF = {
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss",),
    REGRESSOR: (
        "squared_loss",
        "absolute_loss",
        "quantile_loss",
        "huber_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
    ),
}
CRITERIA = (
    "accuracy",
    "f_beta",
    "f1",
    "precision_at_target_recall",
    "recall_at_target_precision",
    "loss_function",
    "cross_entropy_loss",
)
LOSS_CRITERIA = ("loss_function", "cross_entropy_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Linear Learner's documented hyperparameters; ranges are those of its schema.

    ``predictor_type`` is ``binary_classifier`` (labels 0 and 1), ``multiclass_classifier`` (labels
    0 to num_classes - 1) or ``regressor``. Where ``"auto"`` is allowed the choice is made by
    `grid.candidates` or by the properties below.
    """

    predictor_type: str = BINARY
    num_classes: int = 1
    feature_dim: int | Auto = "auto"
    mini_batch_size: int = 1000
    epochs: int = 15
    loss: str = "auto"
    binary_classifier_model_selection_criteria: str = "accuracy"
    target_recall: float = 0.8
    target_precision: float = 0.8
    f_beta: float = 1.0
    accuracy_top_k: int = 3
    num_models: int | Auto = "auto"
    num_calibration_samples: int | Auto = "auto"
    positive_example_weight_mult: float | Literal["auto", "balanced"] = 1.0
    balance_multiclass_weights: bool = False
    optimizer: str = "auto"
    learning_rate: float | Auto = "auto"
    momentum: float | Auto = "auto"
    beta_1: float | Auto = "auto"
    beta_2: float | Auto = "auto"
    wd: float | Auto = "auto"
    l1: float | Auto = "auto"
    bias_lr_mult: float | Auto = "auto"
    bias_wd_mult: float | Auto = "auto"
    use_bias: bool = True
    use_lr_scheduler: bool = True
    lr_scheduler_step: int | Auto = "auto"
    lr_scheduler_factor: float | Auto = "auto"
    lr_scheduler_minimum_lr: float | Auto = "auto"
    init_method: str = "uniform"
    init_scale: float = 0.07
    init_sigma: float = 0.01
    init_bias: float = 0.0
    normalize_data: bool | Auto = True
    normalize_label: bool | Auto = "auto"
    unbias_data: bool | Auto = "auto"
    unbias_label: bool | Auto = "auto"
    num_point_for_scaler: int = 10_000
    margin: float = 1.0
    quantile: float = 0.5
    loss_insensitivity: float = 0.01
    huber_delta: float = 1.0
    early_stopping_patience: int = 3
    early_stopping_tolerance: float = 0.001

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers rather than classes."""
        return self.predictor_type == REGRESSOR

    @property
    def outputs(self) -> int:
        """Scores per row and model: num_classes for multiclass, else 1."""
        return self.num_classes if self.predictor_type == MULTICLASS else 1

    @property
    def loss_name(self) -> str:
        """The loss after resolving ``auto``."""
        return DEFAULT_LOSS[self.predictor_type] if self.loss == "auto" else self.loss

    @property
    def optimizer_name(self) -> str:
        """The optimiser after resolving ``auto`` to adam."""
        return "adam" if self.optimizer == "auto" else self.optimizer

    @property
    def scales_labels(self) -> bool:
        """Whether regression labels are divided by their standard deviation."""
        return self.is_regression and self.normalize_label is not False

    @property
    def centers_labels(self) -> bool:
        """Whether regression labels are shifted to mean zero; only a bias can undo that."""
        wanted = self.unbias_label is not False
        return self.is_regression and self.use_bias and wanted

    @property
    def scales_data(self) -> bool:
        """Whether features are divided by their standard deviation."""
        return self.normalize_data is not False

    def centers_data(self, is_sparse: bool) -> bool:
        """Whether features are shifted to mean zero: never sparse ones, nor without a bias."""
        return self.use_bias and not is_sparse and self.unbias_data is not False

    @property
    def calibration_rows(self) -> int:
        """How many rows the threshold is calibrated on at most."""
        automatic = self.num_calibration_samples == "auto"
        return 10_000_000 if automatic else int(self.num_calibration_samples)
