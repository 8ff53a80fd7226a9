"""Jobs: what they leave behind, what they log, how they fail."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.unit.algorithms.blazing_text.conftest import (
    deliver,
    frame,
    labelled_text,
    plain_text,
    topic_lines,
)

from sagebrush.algorithms.blazing_text.fasttext_file import read_model
from sagebrush.algorithms.blazing_text.text_classifier import TextClassifier
from sagebrush.algorithms.blazing_text.word_vectors import WordVectors

SUPERVISED = {
    "mode": "supervised", "min_count": 1, "vector_dim": 8, "buckets": 500, "learning_rate": 0.5,
}  # fmt: skip
WORDS = {"mode": "batch_skipgram", "min_count": 1, "vector_dim": 8, "evaluation": False}


def accuracy_of(model_dir: Path) -> float:
    lines = topic_lines(90, seed=5)
    found = TextClassifier.load(model_dir).predict([text for _, text in lines])
    return float(np.mean([one == str(topic) for one, (topic, _) in zip(found, lines, strict=True)]))


def similarity_of_topics(model: WordVectors) -> tuple[float, float]:
    """The mean cosine of words of one topic and that of words of different topics."""
    words = [f"t{topic}w{each}" for topic in range(3) for each in range(8)]
    rows = model.predict(words)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    same = np.equal.outer(np.arange(24) // 8, np.arange(24) // 8)
    return float(cosines[same & ~np.eye(24, dtype=bool)].mean()), float(cosines[~same].mean())


def test_a_classifier_is_trained_from_text(run_job):
    job = run_job(SUPERVISED, train=labelled_text(), validation=labelled_text(60, 1))
    assert job.code == 0
    assert accuracy_of(job.model) > 0.95
    assert [path.name for path in job.model.iterdir()] == ["model.bin"]
    found = dict(re.findall(r"^#(\w+)_accuracy: (\S+)$", job.log, re.MULTILINE))
    assert float(found["train"]) > 0.95
    assert float(found["validation"]) > 0.95
    assert "Number of train examples: 300\n" in job.log
    assert "Number of validation examples: 60\n" in job.log
    assert "Number of words:  31\n" in job.log
    assert re.search(
        r"^##### Alpha: 0\.0000  Progress: 100\.00%  Million Words/sec: \d+\.\d\d #####$",
        job.log,
        re.MULTILINE,
    )
    assert re.search(r"^Average throughput in Million words/sec: \d", job.log, re.MULTILINE)


def as_json_lines(several: bool) -> bytes:
    rows = [
        {"source": text, "label": [topic, "x"] if several else topic}
        for topic, text in topic_lines()
    ]
    return "\n".join(map(json.dumps, rows)).encode()


def as_records(label_first: bool) -> bytes:
    records = []
    for topic, text in topic_lines():
        pair = [frame(text.encode()), frame(json.dumps([topic]).encode())]
        records += pair[::-1] if label_first else pair
    return b"".join(records)


def test_all_forms_of_the_same_data_give_the_same_model(run_job):
    expected = run_job(SUPERVISED, train=labelled_text())
    lines = {"ContentType": "application/jsonlines"}
    piped = {"TrainingInputMode": "Pipe", "ContentType": "text/plain"}
    records = piped | {"RecordWrapperType": "RecordIO", "ContentType": "application/jsonlines"}
    guide = piped | {"RecordWrapperType": "RecordIO", "ContentType": "application/x-recordio"}
    jobs = [
        run_job(SUPERVISED, "lines", train=as_json_lines(False), settings=lines),
        run_job(SUPERVISED, "pipe", train=labelled_text(), settings=piped),
        run_job(SUPERVISED, "records", train=as_records(False), settings=records),
        run_job(SUPERVISED, "turned", train=as_records(True), settings=records),
        run_job(SUPERVISED, "guide", train=as_records(False), settings=guide),
    ]
    for job in jobs:
        assert job.code == 0, job.log
        assert (job.model / "model.bin").read_bytes() == (expected.model / "model.bin").read_bytes()


def test_several_labels_of_a_line_are_all_learnt(run_job):
    job = run_job(
        SUPERVISED, train=as_json_lines(True), settings={"ContentType": "application/jsonlines"}
    )
    assert job.code == 0
    (names, chances), *_ = TextClassifier.load(job.model).top_labels(["t1w1 t1w2 t1w3"], 4)
    assert set(names[:2]) == {"1", "x"}
    assert sum(chances) == pytest.approx(1, abs=1e-5)
    assert min(chances[:2]) > 0.2


def test_early_stopping_keeps_the_best_weights_and_ends_after_patience(run_job):
    """The validation labels are shifted, so that learning only makes them worse."""
    wrong = [(topic + 1) % 3 for topic, _ in topic_lines(60, 1)]
    texts = [text for _, text in topic_lines(60, 1)]
    validation = "".join(
        f"__label__{topic} {text}\n" for topic, text in zip(wrong, texts, strict=True)
    ).encode()
    settings = SUPERVISED | {
        "early_stopping": True, "patience": 2, "min_epochs": 4, "epochs": 50, "learning_rate": 0.1,
    }  # fmt: skip
    job = run_job(settings, train=labelled_text(), validation=validation)
    assert job.code == 0
    found = [float(each) for each in re.findall(r"Validation accuracy: (\S+)", job.log)]
    best = int(np.argmax(found))
    assert len(found) == max(best + 1 + 2, 4)
    assert "Validation accuracy improved! Storing best weights..." in job.log
    final = float(re.findall(r"#validation_accuracy: (\S+)", job.log)[0])
    assert final == pytest.approx(max(found), abs=1e-4)


def test_word_vectors_are_written_as_text_and_as_a_fasttext_model(run_job):
    job = run_job(WORDS | {"epochs": 20}, train=plain_text())
    assert job.code == 0
    assert sorted(path.name for path in job.model.iterdir()) == ["vectors.bin", "vectors.txt"]
    head, *lines = (job.model / "vectors.txt").read_text().splitlines()
    assert head == "30 8"
    model = WordVectors.load(job.model)
    assert [line.split(" ")[0] for line in lines] == model.words_
    written = np.array([line.split()[1:] for line in lines], np.float32)
    np.testing.assert_array_equal(written, model.predict(model.words_))
    counts = read_model(job.model / "vectors.bin").vocabulary.entries()[1]
    assert (np.diff(counts) <= 0).all()


@pytest.mark.parametrize("mode", ["batch_skipgram", "skipgram", "cbow"])
def test_words_of_a_topic_come_to_lie_together(run_job, mode):
    changes = {"mode": mode, "epochs": 15, "sampling_threshold": 1}
    job = run_job(WORDS | changes, train=plain_text(600))
    same, different = similarity_of_topics(WordVectors.load(job.model))
    assert same > 0.6 + different


@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
def test_subwords_give_unknown_words_vectors(run_job, mode):
    changes = {"mode": mode, "subwords": True, "buckets": 3000, "epochs": 8, "min_char": 2}
    job = run_job(WORDS | changes, train=plain_text(600))
    assert job.code == 0
    model = WordVectors.load(job.model)
    unknown, known, other = model.predict(["t1w12", "t1w1", "any3"])
    assert unknown.any()
    assert unknown @ known / np.linalg.norm(known) > unknown @ other / np.linalg.norm(other)
    assert not WordVectors("cbow", min_count=1).fit(["a b a"]).predict(["c"]).any()


def similarity_files(folder: Path) -> None:
    pairs = ["# Word 1\tWord 2\tHuman (mean)"]
    pairs += [f"T1W{each}\tt1w{each + 1}\t9.0" for each in range(6)]
    pairs += [f"t1w{each}\tt2w{each}\t1.5" for each in range(6)] + ["tiger\tt1w1\t7.35"]
    (folder / "EN-WS-353-ALL.txt").write_text("\n".join(pairs))
    (folder / "EN-WS-353-SIM.txt").write_text("\n".join(pairs[:-1]))


def test_evaluation_compares_with_the_judgements_the_user_brings(run_job, tmp_path, monkeypatch):
    similarity_files(tmp_path)
    monkeypatch.setenv("SAGEBRUSH_WORD_SIMILARITY", str(tmp_path))
    changes = {"evaluation": "True", "epochs": 15, "sampling_threshold": 1}
    job = run_job(WORDS | changes, train=plain_text(600))
    assert job.code == 0
    report = json.loads((job.model / "eval.json").read_text())
    assert report["EN-WS-353-ALL.txt"]["total_pairs"] == 13
    assert report["EN-WS-353-ALL.txt"]["not_found"] == 1
    assert report["EN-WS-353-SIM.txt"]["total_pairs"] == 12
    rhos = [report[name]["spearmans_rho"] for name in report if name != "mean_rho"]
    assert report["mean_rho"] == pytest.approx(np.mean(rhos))
    assert report["mean_rho"] > 0.6
    assert float(re.findall(r"#mean_rho: (\S+)", job.log)[0]) == report["mean_rho"]


def test_without_judgements_the_log_says_why_there_is_no_metric(run_job):
    job = run_job(WORDS | {"evaluation": "True"}, train=plain_text())
    assert job.code == 0
    assert "not evaluated" in job.log
    assert "SAGEBRUSH_WORD_SIMILARITY" in job.log
    assert "#mean_rho" not in job.log
    assert not (job.model / "eval.json").exists()


def test_a_tuning_job_for_a_metric_that_cannot_come_fails_at_once(run_job):
    settings = WORDS | {"_tuning_objective_metric": "train:mean_rho"}
    assert run_job(settings, train=plain_text()).code == 2
    assert "SAGEBRUSH_WORD_SIMILARITY" in run_job(settings, "again", train=plain_text()).failure


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({"mode": "supervised", "early_stopping": True}, labelled_text(), "'validation' channel"),
        ({"mode": "supervised"}, plain_text(), "no labels"),
        ({"mode": "supervised"}, b"__label__a x\n__label__a y\n", "1 label,"),
        ({"mode": "supervised"}, b"", "empty"),
        ({}, b"", "empty"),
        ({}, b" \n \n", "empty"),
        ({"min_count": 500}, b"a b c\n", "min_count"),
        ({}, b"fine line\nbad \xff line\n", "row 2 of train/part-0"),
        ({"mode": "supervised"}, b"\n__label__a \xff\n", "row 2 of train/part-0"),
        ({"mode": "supervised"}, frame(b"x"), "RecordWrapperType"),
        ({"subwords": True}, plain_text(), "'subwords'"),
        ({"mode": "cbow", "min_char": 7}, plain_text(), "'min_char'"),
    ],
)
def test_mistakes_fail_the_job_naming_them(run_job, changes, data, message):
    job = run_job(WORDS | changes, train=data)
    assert job.code == 2
    assert job.failure.startswith("ClientError: ")
    assert message in job.failure


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"source": "a", "label": 1', "row 2"),
        (b'{"source": "a"}', "row 2 of train/part-0: 'label'"),
        (b'{"label": 2}', "'source'"),
        (b'{"source": 3, "label": 1}', "'source' must be a string"),
        (b'{"source": "a", "label": 1.5}', "'label' must be"),
        (b"[1]", "no JSON object"),
    ],
)
def test_wrong_json_lines_are_named(run_job, line, message):
    data = b'{"source": "a b", "label": 0}\n' + line + b"\n"
    settings = {"ContentType": "application/jsonlines"}
    job = run_job(SUPERVISED, train=data, settings=settings)
    assert job.code == 2
    assert message in job.failure


def test_records_that_do_not_pair_or_break_off_are_named(run_job):
    settings = {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"}
    whole = frame(b"a text") + frame(b"1")
    odd = run_job(SUPERVISED, "odd", train=whole + frame(b"alone"), settings=settings)
    assert "row 2 of train_0" in odd.failure
    cut = run_job(SUPERVISED, "cut", train=whole + frame(b"a longer text")[:-6], settings=settings)
    assert "record 2 of train_0" in cut.failure


def test_word_vectors_take_no_labelled_channels(run_job):
    job = run_job(WORDS, train=plain_text(), validation=plain_text())
    assert "'validation' channel" in job.failure
    job = run_job(
        WORDS,
        "lines",
        train=as_json_lines(False),
        settings={"ContentType": "application/jsonlines"},
    )
    assert "application/jsonlines" in job.failure
    settings = {"TrainingInputMode": "Pipe", "ContentType": "application/x-recordio"}
    job = run_job(WORDS, "records", train=as_records(False), settings=settings)
    assert "'application/x-recordio' is for 'mode' supervised only" in job.failure


@pytest.mark.parametrize("mode", ["skipgram", "cbow", "supervised"])
def test_only_batch_skipgram_trains_on_several_instances(run_job, mode):
    hosts = ["algo-1", "algo-2"]
    job = run_job(WORDS | {"mode": mode}, train=labelled_text(), hosts=hosts)
    assert job.code == 2
    assert f"The mode '{mode}' trains on one instance" in job.failure
    sharded = {"S3DistributionType": "ShardedByS3Key"}
    job = run_job(WORDS, "sharded", train=plain_text(), hosts=hosts, settings=sharded)
    assert "FullyReplicated" in job.failure


def test_hyperparameters_of_the_other_family_are_named_in_the_log(run_job):
    job = run_job(SUPERVISED | {"window_size": 3}, train=labelled_text())
    assert "'window_size' has no effect in mode 'supervised'" in job.log


def started(
    root: Path, hyperparameters: dict[str, object], hosts: list[str], host: str
) -> "subprocess.Popen[str]":
    config = root / "input" / "config"
    config.mkdir(parents=True)
    documents = {
        "hyperparameters": {key: str(value) for key, value in hyperparameters.items()},
        "inputdataconfig": {"train": {}},
        "resourceconfig": {"hosts": hosts, "current_host": host},
    }
    for file, document in documents.items():
        (config / f"{file}.json").write_text(json.dumps(document))
    return subprocess.Popen(
        [sys.executable, "-m", "sagebrush.algorithms", "train", "blazingtext", "--root", str(root)],
        env=os.environ | {"SM_NUM_CPUS": "1", "TRAINING_JOB_NAME": str(root.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_two_hosts_train_one_model(tmp_path):
    settings = WORDS | {"epochs": 12, "sampling_threshold": 1}
    hosts = ["algo-1", "algo-2"]
    processes = []
    for host in hosts:
        deliver(tmp_path / host / "input" / "data" / "train", plain_text(5000), None)
        processes.append(started(tmp_path / host, settings, hosts, host))
    logs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], logs
    assert not any((tmp_path / "algo-2" / "model").iterdir())
    same, different = similarity_of_topics(WordVectors.load(tmp_path / "algo-1" / "model"))
    assert same > 0.6 + different
    assert all("2 machines" in log and "Progress: 100.00%" in log for log in logs)


def test_sigterm_ends_long_jobs_with_a_model(tmp_path):
    processes = {}
    for name, settings in (("vectors", WORDS), ("model", SUPERVISED)):
        root = tmp_path / name
        deliver(root / "input" / "data" / "train", labelled_text(3000), None)
        processes[name] = started(root, settings | {"epochs": 10_000_000}, ["algo-1"], "algo-1")
    killers = [threading.Timer(40, process.kill) for process in processes.values()]
    for killer in killers:
        killer.start()
    for name, process in processes.items():
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("#####"):
                break
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 0
        model = read_model(tmp_path / name / "model" / f"{name}.bin")
        assert np.isfinite(model.input).all()
    for killer in killers:
        killer.cancel()
