"""From a training image's URI to what runs it here."""

from __future__ import annotations

from typing import Any

from sagebrush.algorithms import ResolvedImage, UnknownImageError, algorithm_names, resolve_image
from sagebrush.algorithms.card import Card
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.jumpstart import key_in_bucket

_SCRIPT_FOLDER_PARAMETER = "sagemaker_submit_directory"
_SCRIPT_PARAMETERS = ("sagemaker_program", _SCRIPT_FOLDER_PARAMETER)


def training_image(request: dict[str, Any]) -> ResolvedImage:
    """Return the algorithm that a CreateTrainingJob request names.

    Raises:
        ApiError: ValidationException naming the image or the field that cannot be served.
    """
    specification = request.get("AlgorithmSpecification")
    if not specification:
        raise faults.invalid("AlgorithmSpecification is required to create a training job.")
    image = specification.get("TrainingImage")
    if "AlgorithmName" in specification:
        if image:
            raise faults.invalid("Only one of TrainingImage and AlgorithmName can be specified.")
        raise faults.unsupported("AlgorithmSpecification.AlgorithmName")
    if not image:
        raise faults.invalid(
            "Invalid training image. Please provide a valid Amazon Elastic Container Registry path"
            " of the Docker image to run."
        )
    if "ContainerEntrypoint" in specification or "ContainerArguments" in specification:
        raise faults.unsupported(
            "A training container's own entry point (ContainerEntrypoint, ContainerArguments)"
        )
    found = resolved(image)
    hyperparameters = request.get("HyperParameters", {})
    asked = [name for name in _SCRIPT_PARAMETERS if name in hyperparameters]
    if asked and not _brings_script(found.card, hyperparameters):
        raise faults.unsupported(f"Script mode (hyperparameter {asked[0]})")
    return found


def _brings_script(card: Card, hyperparameters: dict[str, str]) -> bool:
    """Whether the script is that of one of the algorithm's model ids: the image has its code."""
    uri = hyperparameters.get(_SCRIPT_FOLDER_PARAMETER, "")
    key = key_in_bucket(uri.strip('"'))  # clients send it as JSON text
    return bool(card.model_ids) and key is not None and key.startswith(card.script_folder)


def resolved(image: str) -> ResolvedImage:
    """Return the algorithm of an image URI.

    Raises:
        ApiError: ValidationException naming the image.
    """
    try:
        return resolve_image(image)
    except UnknownImageError:
        raise faults.invalid(
            f"Cannot find the requested image: {image}. This server runs the images of the"
            f" built-in algorithms {', '.join(algorithm_names())}."
        ) from None
