"""Image URIs to algorithms."""

import subprocess
import sys

import pytest

from sagebrush.algorithms import (
    UnknownImageError,
    algorithm_names,
    card_of,
    resolve_image,
    split_image_uri,
)


@pytest.mark.parametrize(
    ("uri", "name", "environment", "tag"),
    [
        ("382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1", "kmeans", "base", "1"),
        (
            "000000000000.dkr.ecr.cn-north-1.amazonaws.com.cn/linear-learner:1",
            "linear-learner",
            "base",
            "1",
        ),
        ("linear-learner", "linear-learner", "base", "latest"),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
            "xgboost",
            "base",
            "3.0-5",
        ),
        ("x/sagemaker-xgboost:1.7-1", "xgboost", "xgboost-1.7", "1.7-1"),
        ("x/sagemaker-xgboost:1.5-1-cpu-py3", "xgboost", "xgboost-1.7", "1.5-1-cpu-py3"),
        ("x/sagemaker-xgboost:0.90-2-cpu-py3", "xgboost", "xgboost-1.7", "0.90-2-cpu-py3"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1", "xgboost", "xgboost-1.7", "1"),
        ("x/xgboost:latest", "xgboost", "xgboost-1.7", "latest"),
        ("host:5000/deep/er/kmeans:1@sha256:abc", "kmeans", "base", "1"),
    ],
)
def test_an_image_of_any_account_and_region_is_known_by_repository_and_tag(
    uri, name, environment, tag
):
    resolved = resolve_image(uri)
    assert (resolved.card.name, resolved.environment.name, resolved.tag) == (name, environment, tag)
    assert (resolved.environment.name == "base") == (not resolved.environment.requirements)


@pytest.mark.parametrize(
    "uri", ["x/my-own:1", "x/kmeans:7", "x/sagemaker-xgboost:banana", "", "x/"]
)
def test_other_images_are_unknown(uri):
    with pytest.raises(UnknownImageError):
        resolve_image(uri)


def test_a_digest_alone_leaves_the_newest_tag():
    assert split_image_uri("a/b/kmeans@sha256:0") == ("kmeans", "latest")


def test_cards_are_found_by_name_only():
    assert [card_of(name).name for name in algorithm_names()] == list(algorithm_names())
    with pytest.raises(LookupError, match="banana"):
        card_of("banana")


def test_cards_cost_no_numerical_library():
    code = (
        "import sys; from sagebrush.algorithms import *; import sagebrush.algorithms as a;"
        "[a.card_of(name) for name in a.algorithm_names()];"
        "print([m for m in ('numpy', 'scipy', 'pyarrow', 'xgboost') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
