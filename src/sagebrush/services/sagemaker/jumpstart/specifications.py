"""A model id's specification, in the form that the SageMaker Python SDK reads.

The fields are those of the SDK's `JumpStartModelSpecs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagebrush.algorithms.card import SCRIPT_FOLDER, Card, ModelId, load_attribute
from sagebrush.algorithms.hyperparameter_fields import Field
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.services.sagemaker.jumpstart.datasets import PREFIX as DATASETS

VERSIONS = ("1.0.0", "2.0.0")
MIN_SDK_VERSION = "2.68.1"
REGISTRY_ACCOUNT = "763104351884"
TRAINING_PROGRAM = "transfer_learning.py"
SUBMIT_DIRECTORY = "/opt/ml/input/data/code/sourcedir.tar.gz"
DEFAULT_INSTANCE = "ml.m5.xlarge"

_INSTANCE_FAMILIES = (
    *("c4", "c5", "c5d", "c5n", "c6g", "c6i", "c7g", "c7i", "m4", "m5", "m5d", "m6g", "m6i"),
    *("m7g", "m7i", "r5", "r5d", "r6i", "r7i", "t2", "t3", "g4dn", "g5", "g6", "p3", "p4d", "p5"),
)
_INSTANCE_TYPES = (
    *("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.m5.4xlarge"),
    *("ml.c5.xlarge", "ml.c5.2xlarge", "ml.c5.4xlarge", "ml.m4.xlarge"),
)
_TYPES = {"Integer": "int", "Continuous": "float", "Categorical": "text", "FreeText": "text"}
_JSON, _CSV = "application/json", "text/csv"


@dataclass(frozen=True)
class Keys:
    """Where what belongs to a version of a model id lies in the bucket; AWS's own layout."""

    card: Card
    model: ModelId
    version: str

    @property
    def specification(self) -> str:
        return f"community_models/{self.model.name}/specs_v{self.version}.json"

    @property
    def training_script(self) -> str:
        return self._script("transfer_learning")

    @property
    def inference_script(self) -> str:
        return self._script("inference")

    @property
    def training_artifact(self) -> str:
        return f"{self.card.name}-training/train-{self.model.name}.tar.gz"

    @property
    def inference_artifact(self) -> str:
        return f"{self.card.name}-infer/infer-{self.model.name}.tar.gz"

    def _script(self, purpose: str) -> str:
        folder = f"{SCRIPT_FOLDER}/{self.card.name}/{purpose}/{self.model.problem_type}"
        return f"{folder}/v{self.version}/sourcedir.tar.gz"


def specification(card: Card, model: ModelId, version: str, region: str) -> dict[str, Any]:
    """Return the specification of a version of a model id in a region."""
    keys = Keys(card, model, version)
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    image = f"{REGISTRY_ACCOUNT}.dkr.ecr.{region}.{domain}/{card.repositories[0]}:1"
    variants = {name: {"properties": {"image_uri": image}} for name in _INSTANCE_FAMILIES}
    framework = {"framework": "pytorch", "framework_version": "2.0.0", "py_version": "py310"}
    return {
        "model_id": model.name,
        "url": "",
        "version": version,
        "min_sdk_version": MIN_SDK_VERSION,
        "training_supported": True,
        "incremental_training_supported": True,
        "hosting_ecr_specs": framework,
        "hosting_artifact_key": keys.inference_artifact,
        "hosting_script_key": keys.inference_script,
        "hosting_instance_type_variants": {"variants": variants},
        "training_ecr_specs": framework,
        "training_artifact_key": keys.training_artifact,
        "training_script_key": keys.training_script,
        "training_instance_type_variants": {"variants": variants},
        "hyperparameters": _hyperparameters(card, model),
        "inference_environment_variables": _environment_variables(),
        "metrics": [{"Name": metric.name, "Regex": metric.regex} for metric in card.metrics],
        "default_inference_instance_type": DEFAULT_INSTANCE,
        "supported_inference_instance_types": list(_INSTANCE_TYPES),
        "default_training_instance_type": DEFAULT_INSTANCE,
        "supported_training_instance_types": list(_INSTANCE_TYPES),
        "default_training_dataset_key": f"{DATASETS}/{model.dataset}/",
        "predictor_specs": {
            "default_content_type": _CSV,
            "supported_content_types": [_CSV],
            "default_accept_type": _JSON,
            "supported_accept_types": [_JSON, f"{_JSON};verbose"],
        },
        "model_kwargs": {},
        "deploy_kwargs": {},
        "estimator_kwargs": {},
        "fit_kwargs": {},
        "resource_name_base": card.name,
    }


def _hyperparameters(card: Card, model: ModelId) -> list[dict[str, Any]]:
    schema: Schema = load_attribute(card.hyperparameters)
    own = [
        _hyperparameter(field, model.defaults)
        for field in schema.fields
        if not field.hidden and (field.default is not None or field.name in model.defaults)
    ]
    container = {
        "sagemaker_submit_directory": SUBMIT_DIRECTORY,
        "sagemaker_program": TRAINING_PROGRAM,
        "sagemaker_container_log_level": "20",
    }
    return own + [
        {"name": name, "type": "text", "default": default, "scope": "container"}
        for name, default in container.items()
    ]


def _hyperparameter(field: Field, defaults: Any) -> dict[str, Any]:
    described = field.describe()
    default = defaults.get(field.name, described["DefaultValue"])
    told: dict[str, Any] = {
        "name": field.name,
        "type": "text" if field.words else _TYPES[described["Type"]],
        "default": _spelled(default),
        "scope": "algorithm",
    }
    allowed = described.get("Range", {}).get("CategoricalParameterRangeSpecification")
    if allowed is not None:
        told["options"] = [_spelled(value) for value in allowed["Values"]]
    elif not field.words:
        told |= _bounds(field)
    return told


def _bounds(field: Field) -> dict[str, Any]:
    """The limits of a number; ``exclusive`` ones lie outside."""
    found: dict[str, Any] = {}
    for end, limit in (("min", "low"), ("max", "high")):
        value = getattr(field, limit, None)
        if value is not None:
            found[f"exclusive_{end}" if getattr(field, f"{limit}_open") else end] = value
    return found


def _spelled(value: str) -> str:
    """Booleans as Python writes them, which is how the specifications have them."""
    return {"true": "True", "false": "False"}.get(value, value)


def _environment_variables() -> list[dict[str, Any]]:
    values = {
        "SAGEMAKER_PROGRAM": ("inference.py", False),
        "SAGEMAKER_SUBMIT_DIRECTORY": ("/opt/ml/model/code", False),
        "SAGEMAKER_CONTAINER_LOG_LEVEL": ("20", False),
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": ("3600", False),
        "SAGEMAKER_ENV": ("1", True),
        "SAGEMAKER_MODEL_SERVER_WORKERS": ("1", True),
    }
    return [
        {
            "name": name,
            "type": "text",
            "default": default,
            "scope": "container",
            "required_for_model_class": required,
        }
        for name, (default, required) in values.items()
    ]
