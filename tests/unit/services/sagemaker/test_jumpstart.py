"""The JumpStart bucket and the jobs of its model ids."""

import io
import json
import re
import tarfile
from typing import Any

import pytest

from sagebrush.algorithms import algorithm_names, card_of, resolve_image
from sagebrush.algorithms.card import load_attribute
from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.images import training_image
from sagebrush.services.sagemaker.jumpstart import key_in_bucket, provide

REGION = "eu-central-1"
BUCKET = f"jumpstart-cache-prod-{REGION}"


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    provided = provide(BUCKET)
    assert provided is not None
    assert provided.region == REGION
    return dict(provided.contents)


@pytest.fixture(scope="module")
def specifications(contents: dict[str, bytes]) -> list[dict[str, Any]]:
    headers = json.loads(contents["models_manifest.json"])
    return [json.loads(contents[header["spec_key"]]) for header in headers]


@pytest.mark.parametrize("name", ["bucket", "jumpstart-cache-prod-", "jumpstart-cache-prod-Berlin"])
def test_other_buckets_are_not_provided(name: str) -> None:
    assert provide(name) is None


def test_every_model_id_is_in_the_manifest(specifications: list[dict[str, Any]]) -> None:
    known = {model.name for name in algorithm_names() for model in card_of(name).model_ids}
    assert {"lightgbm-regression-model", "catboost-classification-model"} <= known
    assert {specification["model_id"] for specification in specifications} == known


def test_what_a_specification_names_is_there(
    contents: dict[str, bytes], specifications: list[dict[str, Any]]
) -> None:
    for specification in specifications:
        for part, script in (("training", "transfer_learning.py"), ("hosting", "inference.py")):
            with tarfile.open(
                fileobj=io.BytesIO(contents[specification[f"{part}_script_key"]])
            ) as archive:
                source = archive.extractfile(script)
                assert source is not None
                compile(source.read(), script, "exec")
            assert specification[f"{part}_artifact_key"] in contents
        folder = specification["default_training_dataset_key"]
        assert {f"{folder}{part}/data.csv" for part in ("train", "validation")} <= set(contents)


def test_the_image_is_the_algorithm(specifications: list[dict[str, Any]]) -> None:
    for specification in specifications:
        for part in ("training", "hosting"):
            variants = specification[f"{part}_instance_type_variants"]["variants"]
            image = variants["m5"]["properties"]["image_uri"]
            assert f".ecr.{REGION}." in image
            card = resolve_image(image).card
            assert specification["model_id"] in {model.name for model in card.model_ids}


def test_the_default_hyperparameters_are_ones_the_algorithm_takes(
    specifications: list[dict[str, Any]],
) -> None:
    """As clients send them: as JSON text, with the folder of the script."""
    for specification in specifications:
        card = next(
            card_of(name)
            for name in algorithm_names()
            if specification["model_id"] in {model.name for model in card_of(name).model_ids}
        )
        strings = {each["name"]: each["default"] for each in specification["hyperparameters"]}
        strings["sagemaker_submit_directory"] = (
            f"s3://{BUCKET}/{specification['training_script_key']}"
        )
        values = load_attribute(card.hyperparameters).parse(
            {name: json.dumps(text) for name, text in strings.items()}
        )
        assert values["problem_type"] in specification["model_id"]
        assert str(values["learning_rate"]) == strings["learning_rate"]


def test_bounds_are_the_fields(specifications: list[dict[str, Any]]) -> None:
    found = next(s for s in specifications if s["model_id"] == "lightgbm-regression-model")
    named = {each["name"]: each for each in found["hyperparameters"]}
    rate, leaves, boosting = (named[name] for name in ("learning_rate", "num_leaves", "boosting"))
    assert (rate["type"], rate["exclusive_min"], rate["exclusive_max"]) == ("float", 0, 1)
    assert (leaves["type"], leaves["min"], leaves["max"]) == ("int", 2, 131072)
    assert boosting["options"] == ["gbdt", "rf", "dart", "goss"]
    assert named["is_unbalance"]["options"] == ["True", "False"]


def test_sample_data_begin_with_the_target(contents: dict[str, bytes]) -> None:
    for name, pattern in (("binary", "[01]"), ("multiclass", "[0-3]"), ("regress", r"-?\d.*")):
        for part, count in (("train", 400), ("validation", 100), ("test", 100)):
            text = contents[f"training-datasets/tabular_{name}/{part}/data.csv"].decode()
            rows = [line.split(",") for line in text.splitlines()]
            assert len(rows) == count
            assert all(len(row) == 9 and re.fullmatch(pattern, row[0]) for row in rows)


def request(folder: str, image: str = "lightgbm:1") -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {
            "TrainingImage": f"763104351884.dkr.ecr.{REGION}.amazonaws.com/{image}"
        },
        "HyperParameters": {
            "sagemaker_program": '"transfer_learning.py"',
            "sagemaker_submit_directory": json.dumps(folder),
        },
    }


OWN = "source-directory-tarballs/lightgbm/transfer_learning/regression/v1.0.0/sourcedir.tar.gz"


def test_a_model_ids_own_script_is_what_the_image_does() -> None:
    assert training_image(request(f"s3://{BUCKET}/{OWN}")).card.name == "lightgbm"


@pytest.mark.parametrize(
    ("folder", "image"),
    [
        (f"s3://own-bucket/{OWN}", "lightgbm:1"),
        (f"s3://{BUCKET}/{OWN}", "catboost:1"),
        (f"s3://{BUCKET}/{OWN}", "kmeans:1"),
        (f"s3://{BUCKET}x/{OWN}", "lightgbm:1"),
    ],
)
def test_any_other_script_is_refused(folder: str, image: str) -> None:
    with pytest.raises(ApiError, match="Script mode"):
        training_image(request(folder, image))


def test_keys_are_found_in_uris_of_the_bucket_only() -> None:
    assert key_in_bucket(f"s3://{BUCKET}/a/b") == "a/b"
    assert key_in_bucket(f"s3://{BUCKET}/") is None
    assert key_in_bucket("s3://bucket/a") is None
    assert key_in_bucket("/opt/ml/code") is None
