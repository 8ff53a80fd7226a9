"""Training from channels; the reference is plain xgboost with the same parameters."""

import io
import re

import numpy as np
import pytest
import xgboost
from scipy import sparse
from tests.unit.algorithms.xgboost.training_reference import (
    ROUND_LINE,
    libsvm_text,
    parquet_bytes,
    plain_model,
    recordio_bytes,
)

from sagebrush.algorithms.errors import AlgorithmError, ClientError
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.xgboost import CARD


@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "binary:logistic", "eta": "0.5"},
        {"objective": "reg:squarederror", "subsample": "0.7", "seed": "11"},
        {
            "objective": "binary:logistic",
            "tree_method": "exact",
            "booster": "dart",
            "rate_drop": "0.5",
        },
    ],
    ids=["logistic", "subsample", "dart"],
)
def test_the_model_file_is_the_one_plain_xgboost_writes(job, make_data, csv_text, parameters):
    features, labels = make_data()
    job.add("train", {"data.csv": csv_text(labels, features)})
    job.run(**parameters)
    assert job.model_path.read_bytes() == plain_model(parameters, features, labels)


@pytest.mark.parametrize("tag", ["1", "0.90-2", "1.0-1", ""])
def test_silent_is_known_up_to_1_0(job, make_data, csv_text, monkeypatch, tag):
    monkeypatch.setenv("SAGEBRUSH_IMAGE_TAG", tag)
    features, labels = make_data()
    job.add("train", {"data.csv": csv_text(labels, features)})
    job.run(silent="0")
    assert job.model_path.exists()


@pytest.mark.parametrize("tag", ["1.2-1", "1.2-2", "1.5-1", "1.7-1-cpu-py3", "3.0-5"])
def test_silent_is_extraneous_since_1_2(job, make_data, csv_text, monkeypatch, tag):
    monkeypatch.setenv("SAGEBRUSH_IMAGE_TAG", tag)
    features, labels = make_data()
    job.add("train", {"data.csv": csv_text(labels, features)})
    with pytest.raises(ClientError, match=r"^Extraneous hyperparameter found: silent$"):
        job.run(silent="0")


def test_metrics_do_not_change_the_model_and_both_channels_are_evaluated(job, make_data, csv_text):
    features, labels = make_data(200)
    job.add("train", {"a.csv": csv_text(labels[:120], features[:120])})
    job.add("validation", {"a.csv": csv_text(labels[120:], features[120:])})
    output = job.run(objective="binary:logistic", eval_metric="logloss,error@0.4,accuracy")
    booster = xgboost.Booster(model_file=bytearray(job.model_path.read_bytes()))
    plain = xgboost.Booster(
        model_file=bytearray(
            plain_model({"objective": "binary:logistic"}, features[:120], labels[:120])
        )
    )
    assert booster.get_dump(with_stats=True) == plain.get_dump(with_stats=True)
    rounds = ROUND_LINE.findall(output)
    assert [index for index, _ in rounds] == ["0", "1", "2"]
    names = re.findall(r"\t([^:]+):", rounds[0][1])
    metrics = ["logloss", "error@0.4", "accuracy"]
    assert names == [f"{part}-{name}" for part in ("train", "validation") for name in metrics]


def test_printed_metrics_are_those_of_the_model(job, make_data, csv_text):
    features, labels = make_data()
    job.add("train", {"a.csv": csv_text(labels, features)})
    output = job.run(objective="binary:logistic", eval_metric="accuracy,logloss,f1_binary")
    booster = xgboost.Booster(model_file=bytearray(job.model_path.read_bytes()))
    probabilities = booster.predict(xgboost.DMatrix(features))
    last = dict(re.findall(r"\t([^:]+):([\d.]+)", ROUND_LINE.findall(output)[-1][1]))
    accuracy = np.mean((probabilities > 0.5) == labels)
    logloss = -np.mean(np.log(np.where(labels == 1, probabilities, 1 - probabilities)))
    assert float(last["train-accuracy"]) == pytest.approx(accuracy, abs=1e-5)
    assert float(last["train-logloss"]) == pytest.approx(logloss, abs=1e-5)


def test_every_round_line_matches_the_cards_regexes(job, make_data, csv_text):
    features, labels = make_data()
    job.add("train", {"a.csv": csv_text(labels, features)})
    output = job.run(objective="binary:logistic", eval_metric="auc,logloss")
    line = ROUND_LINE.search(output)[0].replace("\t", "#011")
    found = {m.name for m in CARD.metrics if re.search(m.regex, line)}
    assert found == {"train:auc", "train:logloss"}


def test_the_formats_give_the_same_model(job, make_data, csv_text):
    features, labels = make_data()
    absent = np.isnan(features)
    rows = sparse.csr_matrix(
        (
            features[~absent],
            np.nonzero(~absent)[1],
            np.concatenate([[0], (~absent).sum(1).cumsum()]),
        ),
        shape=features.shape,
    )
    contents = {
        "text/csv": csv_text(labels, features),
        "csv": csv_text(labels, features).replace(",", "\t"),
        "text/csv; label_size=1": csv_text(labels, features).replace(",", ";"),
        "libsvm": libsvm_text(features, labels),
        "application/x-parquet": parquet_bytes(np.column_stack([labels, features])),
        "recordio-protobuf": recordio_bytes(rows, labels),
    }
    expected = plain_model({}, features, labels)
    for index, (content_type, content) in enumerate(contents.items()):
        folder = job.add("train", {"data": content}, content_type)
        job.run()
        assert job.model_path.read_bytes() == expected, content_type
        folder.rename(folder.with_name(f"used-{index}"))


def test_libsvm_is_what_a_channel_without_content_type_holds(job, make_data):
    features, labels = make_data()
    job.add("train", {"data": libsvm_text(features, labels)}, None)
    job.run()
    assert job.model_path.read_bytes() == plain_model({}, features, labels)


def test_validation_data_has_the_training_datas_type_unless_it_says_otherwise(
    job, make_data, csv_text
):
    features, labels = make_data()
    job.add("train", {"data": csv_text(labels, features)})
    job.add("validation", {"data": csv_text(labels, features)}, None)
    assert "\tvalidation-rmse:" in job.run()
    (job.root / "input" / "data" / "validation" / "data").unlink()
    job.add("validation", {"text": libsvm_text(features, labels)}, "text/libsvm")
    assert "\tvalidation-rmse:" in job.run()


def test_dense_records_train_too(job, make_data):
    features, labels = make_data()
    features = np.nan_to_num(features)
    job.add("train", {"d.pbr": recordio_bytes(features, labels)}, "application/x-recordio-protobuf")
    job.run()
    assert job.model_path.read_bytes() == plain_model({}, features, labels)


def test_weights_come_from_the_second_csv_column_or_the_libsvm_label(job, make_data, csv_text):
    features, labels = make_data()
    weights = np.linspace(0.5, 2, len(labels)).astype(np.float32)
    expected = plain_model({}, features, labels, weight=weights)
    folder = job.add("train", {"a": csv_text(labels, np.column_stack([weights, features]))})
    job.run(csv_weights="1")
    assert job.model_path.read_bytes() == expected
    (folder / "a").unlink()
    job.add("train", {"b": libsvm_text(features, labels, weights)}, "text/x-libsvm")
    job.run()
    assert job.model_path.read_bytes() == expected


def test_ranking_groups_come_from_query_ids(job, make_data):
    features, labels = make_data(kind="multi")
    lines = libsvm_text(features, labels).splitlines()
    with_ids = [line.replace(" ", f" qid:{index // 20} ", 1) for index, line in enumerate(lines)]
    job.add("train", {"data": "\n".join(with_ids)}, "libsvm")
    job.run(objective="rank:ndcg")
    expected = plain_model(
        {"objective": "rank:ndcg"}, features, labels, qid=np.arange(len(labels)) // 20
    )
    assert job.model_path.read_bytes() == expected


def test_survival_times_are_their_own_bounds(job, make_data, csv_text):
    features, labels = make_data(kind="positive")
    job.add("train", {"a": csv_text(labels, features)})
    job.run(objective="survival:aft")
    bounds = {"label_lower_bound": labels, "label_upper_bound": labels}
    expected = plain_model({"objective": "survival:aft"}, features, labels, **bounds)
    assert job.model_path.read_bytes() == expected


def test_files_are_read_three_folders_deep_and_marker_files_left_out(job, make_data, csv_text):
    features, labels = make_data(200)
    text = csv_text(labels[:100], features[:100])
    job.add(
        "train",
        {
            "a.csv": text,
            "x/y/b.csv": csv_text(labels[100:], features[100:]),
            "x/y/z/deep.csv": text,
            ".hidden": "nonsense",
            "_SUCCESS": "nonsense",
        },
    )
    output = job.run()
    assert job.model_path.read_bytes() == plain_model({}, features, labels)
    assert "exceed the limit 3" in output
    assert "Train matrix has 200 rows and 4 columns" in output


@pytest.mark.parametrize(
    ("content_type", "files", "message"),
    [
        ("text/csv", {"bad.csv": "1,2,3\n0,x,3\n"}, "row 2 of train/bad.csv: column 2 holds 'x'"),
        ("text/csv", {"bad.csv": "1,2,3\n0,1\n"}, "row 2 of train/bad.csv: it has 2 columns"),
        (
            "text/csv",
            {"bad.csv": "label,a\n1,2\n"},
            "row 1 of train/bad.csv: column 1 holds 'label'",
        ),
        ("text/csv", {"bad.csv": "1,2\n,3\n"}, "row 2 of train/bad.csv: its label is nan"),
        (
            "text/csv",
            {"bad.csv": "1,2\n1,inf\n"},
            "train/bad.csv: its row 2 has a feature that is infinite",
        ),
        (
            "text/csv",
            {"bad.csv": "1\n2\n"},
            "row 1 of train/bad.csv: Could not determine delimiter",
        ),
        ("text/csv", {"bad.csv": "12\n13\n"}, "Could not determine delimiter on line 12"),
        (
            "text/csv",
            {"a.csv": "1,2\n", "b.csv": "1,2,3\n"},
            "train/b.csv: its rows have 2 features",
        ),
        ("text/libsvm", {"bad": "1 0:1\n1 0:1 3\n"}, "row 2 of train/bad"),
        ("application/x-parquet", {"bad": "PAR0"}, "Unable to read train/bad as parquet"),
        ("application/x-recordio-protobuf", {"bad": "not records"}, "record 0 of train/bad"),
    ],
)
def test_bad_data_names_file_and_row(job, content_type, files, message):
    job.add("train", files, content_type)
    with pytest.raises(ClientError) as raised:
        job.run()
    assert message in str(raised.value)
    assert not job.model_path.exists()


def test_records_without_labels_are_refused(job):
    stream = io.BytesIO()
    write_dense(stream, np.ones((3, 2), np.float32))
    job.add("train", {"d": stream.getvalue()}, "recordio-protobuf")
    with pytest.raises(ClientError, match="Got input data without labels"):
        job.run()


@pytest.mark.parametrize("files", [{}, {"empty.csv": ""}, {"_SUCCESS": "x"}])
def test_an_empty_training_channel_is_refused(job, files):
    job.add("train", files)
    with pytest.raises(ClientError, match="No data in training channel path"):
        job.run()


def test_an_empty_validation_channel_is_refused(job, make_data, csv_text):
    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    job.add("validation", {})
    with pytest.raises(ClientError, match="No data in validation channel path"):
        job.run()


def test_channels_are_checked(job, make_data, csv_text):
    features, labels = make_data()
    job.add("validation", {"a": csv_text(labels, features)})
    with pytest.raises(ClientError, match="Missing required channel: train"):
        job.run()
    job.add("train", {"a": csv_text(labels, features)})
    job.add("test", {"a": csv_text(labels, features)})
    with pytest.raises(ClientError, match="Extraneous channel found: test"):
        job.run()


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("text/csv;label_size=2", "Optional parameter label_size must be equal to 1"),
        ("image/png", "image/png is not an accepted ContentType: csv, libsvm, parquet, "),
    ],
)
def test_other_content_types_are_refused(job, content_type, message):
    job.add("train", {"a": "1,2\n"}, content_type)
    with pytest.raises(ClientError) as raised:
        job.run()
    assert message in str(raised.value)


def test_the_same_data_for_validation_only_warns(job, make_data, csv_text):
    features, labels = make_data()
    folder = job.add("train", {"a": csv_text(labels, features)})
    job.add("validation", {"a": csv_text(labels, features)})
    assert "Suspected identical files found." in job.run()
    job.channels["validation"] = type(job.channels["train"])("validation", folder, "text/csv")
    assert "Found same path for training and validation." in job.run()


def test_gpu_hist_runs_as_hist(job, make_data, csv_text):
    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    output = job.run(tree_method="gpu_hist", predictor="gpu_predictor")
    assert "No GPU is used" in output
    assert job.model_path.read_bytes() == plain_model({"tree_method": "hist"}, features, labels)


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        (
            {"objective": "binary:logistic"},
            "value",
            "label must be in [0,1] for logistic regression",
        ),
        ({"objective": "multi:softmax", "num_class": "2"}, "multi", "label must be"),
        (
            {"objective": "binary:logistic", "base_score": "3"},
            "binary",
            "base_score must be in (0,1)",
        ),
        ({"updater": "grow_skmaker"}, "value", "Unknown tree updater"),
        ({"max_bin": "0", "tree_method": "hist"}, "value", "should be greater equal to 2"),
        (
            {"eval_metric": "f1_binary", "objective": "multi:softprob", "num_class": "3"},
            "multi",
            "Target is multiclass",
        ),
    ],
)
def test_what_xgboost_refuses_is_the_users_mistake(
    job, make_data, csv_text, parameters, kind, message
):
    features, labels = make_data(kind=kind)
    job.add("train", {"a": csv_text(labels, features)})
    with pytest.raises(ClientError) as raised:
        job.run(**parameters)
    assert message in str(raised.value)


def test_other_failures_of_training_are_the_algorithms(job, make_data, csv_text, monkeypatch):
    def fail(*arguments, **options):
        raise xgboost.core.XGBoostError("out of luck\nStack trace:\n [bt] (0)")

    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    monkeypatch.setattr(xgboost.Booster, "update", fail)
    with pytest.raises(AlgorithmError) as raised:
        job.run()
    assert str(raised.value) == "XGB train call failed with exception:\n out of luck"


def test_pipe_mode_is_refused_for_formats_that_need_files(job):
    job.add("train", {}, "text/libsvm", mode="Pipe")
    with pytest.raises(ClientError, match="Pipe mode is not supported for text/libsvm"):
        job.run()
