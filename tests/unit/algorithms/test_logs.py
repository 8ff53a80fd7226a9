"""Log lines as the first-party images write them."""

import io
import json
import re

import numpy as np

from sagebrush.algorithms.logs import Log

PREFIX = re.compile(r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d (INFO|WARNING|ERROR) \d+\] ")


def lines_of(write) -> list[str]:
    stream = io.StringIO()
    write(Log("algo-2", stream))
    return stream.getvalue().splitlines()


def message_of(write) -> str:
    (line,) = lines_of(write)
    prefix = PREFIX.match(line)
    assert prefix, line
    return line[prefix.end() :]


def test_metric_lines_have_the_documented_grammar():
    assert message_of(
        lambda log: log.quality_metric("train", "mse", 72.5, "loss", epoch=0, batch=3)
    ) == ("#quality_metric: host=algo-2, epoch=0, batch=3 train mse <loss>=72.5")
    assert message_of(lambda log: log.quality_metric("validation", "f", 0.5, "score", epoch=1)) == (
        "#quality_metric: host=algo-2, epoch=1, validation f <score>=0.5"
    )
    assert message_of(lambda log: log.quality_metric("test", "msd", 1e-9, "loss")) == (
        "#quality_metric: host=algo-2, test msd <loss>=1e-09"
    )
    assert message_of(lambda log: log.progress_metric(10.0)) == (
        "#progress_metric: host=algo-2, completed 10.0 % of epochs"
    )
    assert message_of(lambda log: log.throughput_metric(1088.7)) == (
        "#throughput_metric: host=algo-2, train throughput=1088.7 records/second"
    )
    assert message_of(lambda log: log.score("test", "accuracy", np.float64(0.5))) == (
        "#test_score (algo-2) : ('accuracy', 0.5)"
    )
    assert message_of(lambda log: log.early_stopping_metric(0, "accuracy", 0.94)) == (
        "#early_stopping_criteria_metric: host=algo-2, epoch=0, criteria=accuracy, value=0.94"
    )


def test_the_metrics_line_is_json():
    (line,) = lines_of(
        lambda log: log.metrics(
            "Linear Learner",
            "training",
            {"update.time": np.float32(12.5)},
            start_time_s=1.0,
            end_time_s=2.0,
            dimensions={"epoch": 3},
        )
    )
    assert line.startswith("#metrics {")
    document = json.loads(line.removeprefix("#metrics "))
    assert document["Dimensions"] == {
        "Algorithm": "Linear Learner",
        "Host": "algo-2",
        "Operation": "training",
        "epoch": 3,
    }
    assert document["Metrics"] == {
        "update.time": {"sum": 12.5, "count": 1, "min": 12.5, "max": 12.5}
    }


def test_a_job_says_which_configuration_it_runs_with():
    lines = lines_of(
        lambda log: log.configuration({"epochs": 15, "k": "auto"}, {"k": "3"}, "/x/y.json")
    )
    assert [PREFIX.sub("", line).partition(":")[0] for line in lines] == [
        "Reading default configuration from default-input.json",
        "Merging with provided configuration from /x/y.json",
        "Final configuration",
    ]
    assert lines[2].endswith("Final configuration: {'epochs': '15', 'k': '3'}")
