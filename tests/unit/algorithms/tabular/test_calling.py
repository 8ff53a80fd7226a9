"""How a job is called, what it answers, and the model it goes on from."""

import json
import tarfile

import numpy as np
import pytest

from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.lightgbm.hyperparameters import SCHEMA
from sagebrush.algorithms.tabular.answers import encode_classes, is_verbose
from sagebrush.algorithms.tabular.earlier_model import earlier_model

SCRIPT = "s3://jumpstart-cache-prod-us-east-1/source-directory-tarballs/lightgbm/{}/{}/v1/x.tar.gz"


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_script_of_a_model_id_says_what_is_learned(kind):
    folder = SCRIPT.format("transfer_learning", kind)
    assert SCHEMA.parse({"sagemaker_submit_directory": folder})["problem_type"] == kind
    other = {"sagemaker_submit_directory": folder, "problem_type": "regression"}
    assert SCHEMA.parse(other)["problem_type"] == "regression"


@pytest.mark.parametrize("values", [{}, {"sagemaker_submit_directory": "s3://bucket/code.tar.gz"}])
def test_nobody_guesses_what_is_learned(values):
    with pytest.raises(ClientError, match=r"'problem_type', which is required unless"):
        SCHEMA.parse(values)


def test_values_may_be_json_text():
    plain = {"problem_type": "regression", "num_leaves": "9", "is_unbalance": "False"}
    quoted = {name: json.dumps(value) for name, value in plain.items()}
    assert SCHEMA.parse(plain) == SCHEMA.parse(quoted)
    with pytest.raises(ClientError, match="num_leaves"):
        SCHEMA.parse(plain | {"num_leaves": '"'})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("application/json", False),
        ("*/*", False),
        ("application/json;verbose", True),
        ("application/json; verbose=true", True),
        ("application/json;verbose=false", False),
    ],
)
def test_verbose_is_asked_for_in_the_accept_header(accept, expected):
    assert is_verbose(accept) is expected


def test_only_json_is_answered():
    with pytest.raises(InferenceError) as refused:
        is_verbose("text/csv")
    assert refused.value.status == 406


def test_labels_are_those_of_the_data():
    probabilities = np.array([[0.2, 0.8], [0.7, 0.3]])
    assert json.loads(encode_classes(probabilities, [3, 9], verbose=True)) == {
        "probabilities": [[0.2, 0.8], [0.7, 0.3]],
        "labels": [3, 9],
        "predicted_label": [9, 3],
    }
    assert list(json.loads(encode_classes(probabilities, [3, 9], verbose=False))) == [
        "probabilities"
    ]


def archive(folder, member: str):
    path = folder / "model" / "m.tar.gz"
    path.parent.mkdir(exist_ok=True)
    (folder / "x").write_text("x")
    with tarfile.open(path, "w:gz") as packed:
        packed.add(folder / "x", member)


def test_an_earlier_model_is_unpacked(channels, tmp_path):
    given = channels({"model/.keep": ""})
    archive(tmp_path, "deep/model.txt")
    with earlier_model(TrainingContext(tmp_path, {}, given), ("model.txt",)) as folder:
        assert (folder / "model.txt").read_text() == "x"
    assert not folder.exists()


def test_an_archive_without_a_model_is_nothing_to_go_on_from(channels, tmp_path):
    given = channels({"model/.keep": ""})
    archive(tmp_path, "README.txt")
    with earlier_model(TrainingContext(tmp_path, {}, given), ("model.txt",)) as folder:
        assert folder is None
    with earlier_model(TrainingContext(tmp_path, {}, {}), ("model.txt",)) as folder:
        assert folder is None


def test_what_is_no_archive_is_refused(channels, tmp_path):
    given = channels({"model/m.tar.gz": "no archive"})
    with (
        pytest.raises(ClientError, match=r"model/m.tar.gz is no archive"),
        earlier_model(TrainingContext(tmp_path, {}, given), ("model.txt",)),
    ):
        pass
