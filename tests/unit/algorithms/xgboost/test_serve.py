"""Requests and answers as the open container gives them."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.algorithms.xgboost.served import BODY, CSV, JSON, ROWS, refusal, scores, trained

from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.serving import BatchTransformer
from sagebrush.algorithms.xgboost.requests import read_features
from sagebrush.algorithms.xgboost.selectable import KEYS_OF_OBJECTIVE, encode_selected, select
from sagebrush.algorithms.xgboost.serve import load
from sagebrush.algorithms.xgboost.stored_model import UnreadableModelError
from sagebrush.algorithms.xgboost.vocabulary import OBJECTIVES


def recordio_body(rows: np.ndarray) -> bytes:
    stream = io.BytesIO()
    write_dense(stream, rows)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, BODY),
        ("text/csv; charset=utf-8; label_size=1", BODY.strip()),
        ("csv", BODY.replace(b",", b"\t")),
        ("csv", b"0.5;-1.25;2;0\n;1;-0.5;3"),
        ("csv", BODY.replace(b"\n", b"\r\n")),
        ("text/libsvm", b"0:0.5 1:-1.25 2:2 3:0\n1:1 2:-0.5 3:3"),
        ("text/x-libsvm", b"1 0:0.5 1:-1.25 2:2 3:0\n0 1:1 2:-0.5 3:3\n"),
        ("libsvm", b"1:0.5 2:-1.25 3:2 4:0\n2:1 3:-0.5 4:3"),
        ("", b"0:0.5 1:-1.25 2:2 3:0\n1:1 2:-0.5 3:3"),
        ("application/x-recordio-protobuf", recordio_body(ROWS)),
        ("recordio-protobuf", recordio_body(ROWS.astype(np.float64))),
    ],
)
def test_every_content_type_is_read(serve, content_type, body):
    booster = trained()
    answer, answer_type = serve(booster).invoke(body, content_type, "")
    assert answer == "".join(f"{score}\n" for score in scores(booster)).encode()
    assert answer_type == "text/csv; charset=utf-8"


def test_libsvm_indices_mean_what_they_meant_in_training(serve):
    booster = trained()
    rows = np.array([[np.nan, -1.5, np.nan, 2], [np.nan, 1.5, np.nan, 2]], np.float32)
    answer = serve(booster).invoke(b"1:-1.5 3:2\n1:1.5 3:2", "text/libsvm", "")[0].decode()
    assert [float(line) for line in answer.splitlines()] == scores(booster, rows)
    assert scores(booster, rows) != scores(booster, rows[:, 1:])


def test_the_predictor_gives_advice_for_batch_transform(serve):
    assert isinstance(serve(trained()), BatchTransformer)


def test_answers_come_in_every_accept_type(serve):
    booster = trained()
    predictor, expected = serve(booster), scores(booster)
    answer, kind = predictor.invoke(BODY, CSV, JSON)
    assert (answer.decode(), kind) == (
        json.dumps({"predictions": [{"score": score} for score in expected]}),
        JSON,
    )
    lines = predictor.invoke(BODY, CSV, "application/jsonlines")[0].decode()
    assert [json.loads(line)["score"] for line in lines.splitlines()] == expected
    records = predictor.invoke(BODY, CSV, "application/x-recordio-protobuf")[0]
    assert len(records) > 2 * 8
    assert np.float32(expected[0]).tobytes() in records


def test_several_scores_of_a_row_share_a_line(serve):
    booster = trained("multi:softprob", num_class=3)
    predictor, expected = serve(booster), scores(booster)
    answer = predictor.invoke(BODY, CSV, CSV)[0].decode()
    assert answer == "".join(",".join(map(str, row)) + "\n" for row in expected)
    answer = json.loads(predictor.invoke(BODY, CSV, JSON)[0])
    assert answer == {"predictions": [{"score": row} for row in expected]}


def test_batch_transform_has_one_prediction_per_line_whatever_is_accepted(serve):
    booster = trained("multi:softprob", num_class=3)
    predictor = serve(booster, SAGEMAKER_BATCH="true")
    answer = predictor.invoke(BODY, CSV, JSON)[0].decode()
    assert answer == "".join(f"{row}\n" for row in scores(booster))
    assert predictor.execution_parameters()["BatchStrategy"] == "MULTI_RECORD"


def test_execution_parameters_follow_the_environment(serve):
    predictor = serve(trained(), MAX_CONTENT_LENGTH=str(19 << 20), SM_NUM_CPUS="3")
    assert predictor.execution_parameters() == {
        "MaxConcurrentTransforms": 3,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 19,
    }


@pytest.mark.parametrize("accept", ["", "*/*", "image/png, */*;q=0.1"])
def test_the_default_accept_can_be_set(serve, accept):
    predictor = serve(trained(), SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT=JSON)
    assert predictor.invoke(BODY, CSV, accept)[1] == JSON


def test_an_accept_that_cannot_be_written_is_406(serve):
    error = refusal(serve(trained()), BODY, CSV, "image/png")
    assert error.status == 406
    assert error.message == (
        "Accept type image/png is not supported. Please use supported accept types: "
        "['application/json', 'application/jsonlines', 'application/x-recordio-protobuf', "
        "'text/csv']."
    )


def test_an_empty_body_is_204(serve):
    assert refusal(serve(trained()), b"", CSV, "").status == 204


@pytest.mark.parametrize(
    ("content_type", "body", "part"),
    [
        (JSON, b"{}", "application/json is not an accepted ContentType: csv, libsvm, "),
        ("text/csv;label_size=5", BODY, "Optional parameter label_size must be equal to 1"),
        ("application/x-parquet", b"PAR1", "application/x-parquet is not supported."),
        (CSV, b"1,two,3,4", "please ensure data is in csv format:\n <class 'ValueError'>\n"),
        (CSV, b"1,2\n3\n", "row 2 has 1 columns, expected 2"),
        (CSV, b"1,2,inf,4", "Input data contains `inf`"),
        (CSV, b"1,2,1e60,4", "Input data contains `inf`"),
        (CSV, b"\xff\xfe", "Loading csv data failed"),
        (CSV, b"\n \n", "Loading csv data failed"),
        ("text/libsvm", b"1 a:2", "Loading libsvm data failed"),
        ("text/libsvm", b"1 -3:2", "an index is negative"),
        ("application/x-recordio-protobuf", b"junk", "Loading recordio-protobuf data failed"),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_read_are_415(serve, content_type, body, part):
    error = refusal(serve(trained()), body, content_type, "")
    assert error.status == 415
    assert part in error.message


def test_rows_that_do_not_fit_the_model_are_400(serve):
    error = refusal(serve(trained()), b"1,2,3,4,5", CSV, "")
    assert error.status == 400
    assert error.message.startswith("Unable to evaluate payload provided: Check failed: ")


def test_pickled_models_need_rows_of_their_width():
    from sagebrush.algorithms.xgboost.model import Model
    from sagebrush.algorithms.xgboost.serve import XGBoostPredictor

    path = Path(__file__).parent / "models" / "softprob.pickle"
    predictor = XGBoostPredictor(Model.load(path), {})
    assert predictor.invoke(b"1,2,3", CSV, "")
    error = refusal(predictor, b"1", CSV, "")
    assert error.status == 400
    assert "data 1 is not consistent with feature size of trained model 3." in error.message
    assert refusal(predictor, b"0:1 4:2", "libsvm", "").status == 400


def test_large_bodies_are_read_like_small_ones(serve):
    booster = trained()
    rows = np.round(np.random.default_rng(0).normal(size=(3000, 4)), 3).astype(np.float32)
    body = "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()
    answer = serve(booster).invoke(body, CSV, "")[0].decode()
    assert [float(line) for line in answer.splitlines()] == scores(booster, rows)


@pytest.mark.parametrize("label", ["", "1 ", "0:1 "])
def test_large_libsvm_bodies_are_read_like_small_ones(label):
    generator = np.random.default_rng(0)
    rows = np.round(generator.normal(size=(3000, 4)), 3)
    lines = [
        label + " ".join(f"{i}:{value!r}" for i, value in enumerate(row, 1) if value > -0.5)
        for row in rows.tolist()
    ]
    lines = [line for line in lines if ":" in line]
    large, _ = read_features("\n".join(lines).encode(), "libsvm", 5)
    parts = [read_features(line.encode(), "libsvm", 5)[0] for line in lines]
    assert large.shape[0] == len(parts)
    for index, part in enumerate(parts):
        row = large[index]
        assert row.indices.tolist() == part.indices.tolist()
        assert row.data.tolist() == part.data.tolist()


@given(
    st.lists(
        st.lists(st.none() | st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3),
        min_size=1, max_size=5,
    ),
    st.sampled_from(",\t;|"),
)  # fmt: skip
def test_csv_reads_back_the_numbers_written(rows, delimiter):
    lines = [delimiter.join("" if v is None else repr(v) for v in row) for row in rows]
    body = "\n".join(lines)
    if body.strip() != body:
        return
    features, _ = read_features(body.encode(), CSV, 3)
    np.testing.assert_array_equal(features, np.array(rows, np.float32))


@pytest.mark.parametrize("ensemble", ["true", "false"])
def test_several_files_are_an_ensemble_unless_refused(tmp_path, ensemble):
    boosters = [trained(seed=seed) for seed in range(2)]
    for index, booster in enumerate(boosters):
        (tmp_path / f"xgboost-model-{index}").write_bytes(bytes(booster.save_raw("ubj")))
    (tmp_path / ".DS_Store").write_bytes(b"junk")
    (tmp_path / "code").mkdir()
    predictor = load(tmp_path, {"SAGEMAKER_INFERENCE_ENSEMBLE": ensemble})
    used = boosters if ensemble == "true" else boosters[:1]
    expected = np.mean([np.float32(scores(booster)) for booster in used], axis=0)
    answer = predictor.invoke(BODY, CSV, "")[0].decode()
    assert answer == "".join(f"{score}\n" for score in expected.tolist())


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / ".hidden").write_bytes(b"x")
    with pytest.raises(UnreadableModelError, match="There is no model file in"):
        load(tmp_path, {})


def test_selectable_outputs_of_a_binary_classifier(serve):
    booster = trained()
    keys = "predicted_label, labels,probability,probabilities,raw_score,raw_scores"
    predictor = serve(booster, SAGEMAKER_INFERENCE_OUTPUT=keys)
    rows = json.loads(predictor.invoke(BODY, CSV, JSON)[0])["predictions"]
    for row, score in zip(rows, scores(booster), strict=True):
        both = [1.0 - score, score]
        assert row == {
            "predicted_label": int(score > 0.5),
            "labels": [0, 1],
            "probability": score,
            "probabilities": both,
            "raw_score": score,
            "raw_scores": both,
        }


def test_selectable_outputs_of_a_multiclass_classifier(serve):
    booster = trained("multi:softprob", num_class=3)
    keys = "predicted_label,labels,probability,probabilities"
    predictor = serve(booster, SAGEMAKER_INFERENCE_OUTPUT=keys)
    lines = predictor.invoke(BODY, CSV, "application/jsonlines")[0].decode().splitlines()
    for line, row in zip(lines, scores(booster), strict=True):
        assert json.loads(line) == {
            "predicted_label": int(np.argmax(row)),
            "labels": [0, 1, 2],
            "probability": max(row),
            "probabilities": row,
        }


def test_selected_csv_quotes_lists_and_ends_lines_only_in_batch(serve):
    booster = trained()
    first, second = scores(booster)
    keys = {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label,probabilities"}
    expected = "\n".join(
        f'{int(score > 0.5)},"{[1.0 - score, score]}"' for score in (first, second)
    )
    assert serve(booster, **keys).invoke(BODY, CSV, CSV)[0].decode() == expected
    batch = serve(booster, SAGEMAKER_BATCH="true", **keys)
    assert batch.invoke(BODY, CSV, CSV)[0].decode() == expected + "\n"


def test_selected_recordio_has_a_tensor_for_each_key():
    rows = [{"probability": 0.25, "labels": [0, 1]}]
    body = encode_selected(
        rows, ["probability", "labels"], "application/x-recordio-protobuf", ends_line=False
    )
    assert np.float32(0.25).tobytes() in body
    assert np.array([0, 1], np.float32).tobytes() in body
    assert b"probability" in body


def test_keys_an_objective_does_not_have_are_nan():
    rows = select(np.array([0.5], np.float32), ["predicted_score", "labels"], "reg:gamma", 0)
    assert rows[0]["predicted_score"] == 0.5
    assert math.isnan(rows[0]["labels"])


@pytest.mark.parametrize(
    ("objective", "parameters"),
    [("binary:logistic", {}), ("multi:softprob", {"num_class": 3}), ("count:poisson", {})],
)
def test_explanations_are_those_of_the_library(serve, objective, parameters):
    booster = trained(objective, **parameters)
    keys = ["shap_values", "margin", "leaf_indices", "shap_interactions"]
    predictor = serve(booster, SAGEMAKER_INFERENCE_OUTPUT=",".join(keys))
    rows = json.loads(predictor.invoke(BODY, CSV, JSON)[0])["predictions"]
    assert [list(row) for row in rows] == [keys] * 2
    matrix = xgboost.DMatrix(ROWS)
    for key, option in (
        ("shap_values", "pred_contribs"),
        ("margin", "output_margin"),
        ("leaf_indices", "pred_leaf"),
        ("shap_interactions", "pred_interactions"),
    ):
        expected = booster.predict(matrix, **{option: True})
        np.testing.assert_array_equal([row[key] for row in rows], expected)
    totals = np.sum([row["shap_values"] for row in rows], axis=-1)
    np.testing.assert_allclose(totals, [row["margin"] for row in rows], rtol=1e-4, atol=1e-5)


def test_explanations_stand_among_selected_outputs(serve):
    booster = trained()
    predictor = serve(booster, SAGEMAKER_INFERENCE_OUTPUT="predicted_label,shap_values,probability")
    row = json.loads(predictor.invoke(BODY, CSV, "application/jsonlines")[0].splitlines()[0])
    assert list(row) == ["predicted_label", "shap_values", "probability"]
    assert len(row["shap_values"]) == 5
    assert row["probability"] == scores(booster)[0]
    body, _ = predictor.invoke(BODY, CSV, "application/x-recordio-protobuf")
    assert np.array(row["shap_values"], np.float32).tobytes() in body


def test_an_ensemble_averages_shapley_values_and_has_no_leaves(tmp_path):
    boosters = [trained(seed=seed) for seed in (1, 2)]
    for index, booster in enumerate(boosters):
        (tmp_path / f"{index}").write_bytes(bytes(booster.save_raw("ubj")))
    predictor = load(tmp_path, {"SAGEMAKER_INFERENCE_OUTPUT": "shap_values"})
    found = json.loads(predictor.invoke(BODY, CSV, JSON)[0])["predictions"]
    matrix = xgboost.DMatrix(ROWS)
    expected = np.mean([each.predict(matrix, pred_contribs=True) for each in boosters], axis=0)
    np.testing.assert_allclose([row["shap_values"] for row in found], expected, rtol=1e-5)
    leaves = load(tmp_path, {"SAGEMAKER_INFERENCE_OUTPUT": "leaf_indices"})
    assert "here are several" in refusal(leaves, BODY, CSV, JSON).message


@pytest.mark.parametrize("objective", sorted(set(OBJECTIVES) - set(KEYS_OF_OBJECTIVE)))
def test_objectives_without_selectable_outputs_are_500(objective):
    with pytest.raises(ValueError, match="unsupported for selectable inference predictions"):
        select(np.zeros(1), ["labels"], objective, 0)


@pytest.mark.parametrize(
    ("objective", "prediction", "label"),
    [
        ("binary:logistic", 0.5, 0),
        ("binary:logistic", 0.51, 1),
        ("binary:logitraw", 0.1, 1),
        ("binary:hinge", 1.0, 1.0),
        ("multi:softmax", 2.0, 2.0),
        ("multi:softprob", [0.1, 0.7, 0.2], 1),
    ],
)
def test_predicted_labels(objective, prediction, label):
    rows = select(np.array([prediction]), ["predicted_label"], objective, 3)
    assert rows == [{"predicted_label": label}]
