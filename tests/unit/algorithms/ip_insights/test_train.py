"""IP Insights jobs: channels in, artefact and AWS's log lines out."""

import re
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.unit.algorithms.ip_insights.networks import USERS, elsewhere, pairs

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.ip_insights import CARD
from sagebrush.algorithms.ip_insights import train as module
from sagebrush.algorithms.ip_insights.hyperparameters import SCHEMA
from sagebrush.algorithms.ip_insights.model import IPInsights
from sagebrush.algorithms.ip_insights.train import train
from sagebrush.algorithms.logs import Log

HYPERPARAMETERS = {
    "num_entity_vectors": str(2 * USERS),
    "vector_dim": "8",
    "mini_batch_size": "200",
    "learning_rate": "0.02",
    "epochs": "3",
}


def lines(count: int, seed: int) -> str:
    return "".join(
        f"{user}, {address}\n" for user, address in zip(*pairs(count, seed), strict=True)
    )


def context_of(root: Path, channels: dict[str, str], **options) -> TrainingContext:
    configs = {}
    for name, text in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        (folder / "part-0").write_text(text)
        configs[name] = ChannelConfig(name, folder)
    (root / "model").mkdir(parents=True)
    log = Log(options.get("current_host", "algo-1"), StringIO())
    return TrainingContext(root, {}, configs, log=log, **options)


def run(context: TrainingContext, **hyperparameters: str) -> str:
    train(context, SCHEMA.parse(HYPERPARAMETERS | hyperparameters))
    return context.log._stream.getvalue()


def metric(log: str, name: str) -> list[float]:
    regex = next(each.regex for each in CARD.metrics if each.name == name)
    return [float(value) for value in re.findall(regex, log)]


def test_a_job_reports_as_the_image_does(tmp_path: Path):
    context = context_of(tmp_path, {"train": lines(4000, 1), "validation": lines(800, 2)})
    log = run(context, batch_metrics_publish_interval="10", epochs="4")
    # 20 batches an epoch, of which the first and the eleventh are told.
    for name in ("binary_classification_accuracy", "binary_classification_cross_entropy"):
        assert len(metric(log, f"train:{name}")) == 8
        assert len(metric(log, f"train:{name}:epoch")) == 4
    assert metric(log, "train:binary_classification_cross_entropy")[0] == pytest.approx(
        np.log(2), rel=0.1
    )
    accuracy = metric(log, "train:binary_classification_accuracy:epoch")
    entropy = metric(log, "train:binary_classification_cross_entropy:epoch")
    assert accuracy[-1] > 0.9 > accuracy[0] > 0.3
    assert entropy[0] > entropy[-1]
    assert metric(log, "validation:discriminator_auc")[-1] > 0.99
    assert metric(log, "train:progress") == [25.0, 50.0, 75.0, 100.0]
    assert len(metric(log, "train:throughput")) == 4
    assert "Epoch[3] Batch [10]\tSpeed: " in log
    model = IPInsights.load(tmp_path / "model")
    real, wrong = model.predict(*pairs(500, 7)), model.predict(*elsewhere(500, 8))
    assert roc_auc_score(np.repeat([1, 0], 500), np.concatenate([real, wrong])) > 0.98
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model_algo-1"]


def test_the_validation_score_is_that_of_random_addresses(tmp_path: Path):
    context = context_of(tmp_path, {"train": lines(4000, 1), "validation": lines(700, 2)})
    found = metric(run(context), "validation:discriminator_auc")[-1]
    model = IPInsights.load(tmp_path / "model")
    users, addresses = pairs(700, 2)
    anywhere = np.random.default_rng([0, 0]).integers(0, 2**32, 700, dtype=np.uint32)
    scores = np.concatenate([model.predict(users, a) for a in (addresses, anywhere.tolist())])
    labels = np.repeat([1, 0], 700)
    assert found == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)


def test_rows_without_an_address_are_skipped_with_one_warning(tmp_path: Path):
    text = "entity,ip_address\n" + lines(1000, 1)
    text += "user-1,::1\nuser-2,300.1.1.1\n"
    log = run(context_of(tmp_path, {"train": text, "validation": text}))
    assert log.count("Rows without a valid IPv4 address are skipped: 3 so far in the train") == 1
    assert log.count("3 so far in the validation channel; row 1 of validation/part-0 has") == 1
    run(context_of(tmp_path / "clean", {"train": lines(1000, 1)}))
    models = [IPInsights.load(path / "model") for path in (tmp_path, tmp_path / "clean")]
    np.testing.assert_array_equal(*(model.predict(*pairs(50, 2)) for model in models))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1.2.3.4\nb\n", r"row 2 of train/part-0: it has 1 columns, expected 2"),
        ("a,1.2.3.4\n1,b,1.2.3.4\n", r"row 2 of train/part-0: it has 3 columns, expected 2"),
        ("user,ip\na,b\n", r"no pair .* 2 rows have no valid address, row 1 of .* has 'ip'"),
        ("\n\n", "no pair of an entity and an IPv4 address"),
    ],
)
def test_data_without_pairs_fails_the_job(tmp_path: Path, text, message):
    with pytest.raises(ClientError, match=message):
        run(context_of(tmp_path, {"train": text}))
    with pytest.raises(ClientError, match=message.replace("train", "validation")):
        run(context_of(tmp_path / "b", {"train": lines(99, 1), "validation": text}))


def test_data_larger_than_a_window_is_read_in_every_epoch(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "WINDOW_PAIRS", 700)
    context = context_of(tmp_path, {"train": lines(4000, 1), "validation": lines(900, 2)})
    log = run(context, epochs="5")
    assert metric(log, "validation:discriminator_auc")[-1] > 0.99
    counts = re.findall(r'"Number of Records Since Last Reset": \{"sum": (\S+),', log)
    assert [float(count) for count in counts] == [4000.0] * 5


def test_data_that_fits_in_a_window_is_read_once(tmp_path: Path, monkeypatch):
    passes = []

    def counted(reader, dropped):
        passes.append(reader.config.name)
        return original(reader, dropped)

    original = module.read_pairs
    monkeypatch.setattr(module, "read_pairs", counted)
    run(context_of(tmp_path, {"train": lines(900, 1), "validation": lines(90, 2)}), epochs="3")
    assert passes == ["train", "validation"]


def test_a_stop_leaves_a_model_and_ends_at_once(tmp_path: Path):
    context = context_of(tmp_path, {"train": lines(2000, 1), "validation": lines(50, 1)})
    context.request_stop()
    log = run(context, epochs="50")
    assert IPInsights.load(tmp_path / "model").vector_dim == 8
    assert len(metric(log, "train:progress")) == 1


def test_two_hosts_write_one_model(tmp_path: Path):
    hosts = ["127.0.5.3", "127.0.5.4"]
    parts = [lines(2500, 1), lines(1200, 2)]

    def host(rank: int) -> str:
        channels = {"train": parts[rank], "validation": lines(300, 5 + rank)}
        options = {"hosts": hosts, "current_host": hosts[rank]}
        return run(context_of(tmp_path / hosts[rank], channels, **options), epochs="5")

    with ThreadPoolExecutor(2) as pool:
        logs = list(pool.map(host, range(2)))
    name = "validation:discriminator_auc"
    assert metric(logs[0], name) == metric(logs[1], name)
    assert metric(logs[0], name)[-1] > 0.99
    written = [[path.name for path in (tmp_path / host / "model").iterdir()] for host in hosts]
    assert written == [[f"model_{hosts[0]}"], []]


def test_a_model_beyond_the_hosted_limit_is_a_warning(tmp_path: Path):
    log = run(context_of(tmp_path, {"train": lines(99, 1)}), num_entity_vectors="250000000")
    assert "makes a model of 8.0 GB" not in log
    log = run(
        context_of(tmp_path / "b", {"train": lines(99, 1)}),
        num_entity_vectors="250000000",
        vector_dim="16",
    )
    assert "makes a model of 16.0 GB, more than the 8 GB" in log
