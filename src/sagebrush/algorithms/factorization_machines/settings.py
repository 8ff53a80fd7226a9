"""The hyperparameters of a factorization machine as the code uses them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from sagebrush.algorithms.errors import ClientError

BINARY = "binary_classifier"
REGRESSOR = "regressor"
PREDICTOR_TYPES = (BINARY, REGRESSOR)
INIT_METHODS = ("normal", "uniform", "constant")
AMOUNT_OF_METHOD = {"normal": "sigma", "uniform": "scale", "constant": "value"}

# What MXNet's Adam does where the user says nothing.
DEFAULT_EPS = 1e-8
BETA_1, BETA_2 = 0.9, 0.999

PredictorType = Literal["binary_classifier", "regressor"]
InitMethod = Literal["normal", "uniform", "constant"]
GROUPS = ("bias", "linear", "factors")


class Group(NamedTuple):
    """How one of the three groups of parameters starts and learns.

    ``init_amount`` is the standard deviation, half the range or the value that ``init_method``
    takes.
    """

    learning_rate: float
    weight_decay: float
    init_method: InitMethod
    init_amount: float

    @property
    def expectation(self) -> float:
        """The mean of the initial values: what a parameter is worth that nothing has taught."""
        return self.init_amount if self.init_method == "constant" else 0.0


@dataclass(frozen=True)
class Settings:
    """The documented hyperparameters with their documented defaults; None is "not set".

    ClientError when an initialisation method lacks its amount.
    """

    feature_dim: int
    num_factors: int
    predictor_type: PredictorType = "regressor"
    epochs: int = 1
    mini_batch_size: int = 1000
    bias_lr: float = 0.1
    linear_lr: float = 0.001
    factors_lr: float = 0.0001
    bias_wd: float = 0.01
    linear_wd: float = 0.001
    factors_wd: float = 0.00001
    bias_init_method: InitMethod = "normal"
    bias_init_sigma: float | None = 0.01
    bias_init_scale: float | None = None
    bias_init_value: float | None = None
    linear_init_method: InitMethod = "normal"
    linear_init_sigma: float | None = 0.01
    linear_init_scale: float | None = None
    linear_init_value: float | None = None
    factors_init_method: InitMethod = "normal"
    factors_init_sigma: float | None = 0.001
    factors_init_scale: float | None = None
    factors_init_value: float | None = None
    clip_gradient: float | None = None
    eps: float | None = None
    rescale_grad: float | None = None
    use_bias: bool = True
    use_linear: bool = True
    batch_metrics_publish_interval: int = 500

    def __post_init__(self) -> None:
        for name in GROUPS:
            self.group(name)

    @property
    def is_binary(self) -> bool:
        """Whether labels are 0 and 1 and the score is a probability."""
        return self.predictor_type == BINARY

    @property
    def epsilon(self) -> float:
        """What Adam adds to its denominator."""
        return DEFAULT_EPS if self.eps is None else self.eps

    def group(self, name: str) -> Group:
        """The group ``bias``, ``linear`` or ``factors``."""
        method = getattr(self, f"{name}_init_method")
        amount_name = f"{name}_init_{AMOUNT_OF_METHOD[method]}"
        amount = getattr(self, amount_name)
        if amount is None:
            raise ClientError(
                f"No value was specified for {amount_name!r}, which {name}_init_method={method!r} "
                "needs."
            )
        rate, decay = getattr(self, f"{name}_lr"), getattr(self, f"{name}_wd")
        return Group(rate, decay, method, amount)
