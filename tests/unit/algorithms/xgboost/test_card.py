import re
import subprocess
import sys

import pytest

from sagebrush.algorithms.xgboost import CARD, environment_of


@pytest.mark.parametrize(
    ("tag", "environment"),
    [
        ("0.90-1", "xgboost-1.7"),
        ("1.7-1", "xgboost-1.7"),
        ("1.0-1-cpu-py3", "xgboost-1.7"),
        ("1", "xgboost-1.7"),
        ("latest", "xgboost-1.7"),
        ("3.0-5", "base"),
        ("3.0-5-cpu-py3", "base"),
    ],
)
def test_old_tags_run_in_the_environment_of_their_time(tag: str, environment: str):
    assert environment_of(tag).name == environment


@pytest.mark.parametrize("tag", ["", "2", "3.0", "v1.7-1", "1.7-1x"])
def test_tags_of_no_image_are_refused(tag: str):
    with pytest.raises(LookupError):
        environment_of(tag)


def test_metric_regexes_read_a_log_line_with_escaped_tabs():
    line = "[7]#011train-rmse:1.25#011train-error@0.5:0.1#011validation-rmse:2.5"
    found = {
        metric.name: match[1] for metric in CARD.metrics if (match := re.search(metric.regex, line))
    }
    assert found == {"train:rmse": "1.25", "validation:rmse": "2.5"}


def test_directions_follow_the_metric():
    directions = {metric.name: metric.direction for metric in CARD.metrics}
    assert directions["validation:auc"] == "Maximize"
    assert directions["validation:logloss"] == "Minimize"
    assert len(directions) == 2 * 33


def test_reading_the_card_imports_no_numerical_library():
    program = (
        "import sys; from sagebrush.algorithms.xgboost import CARD; "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'xgboost', 'scipy', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_loading_the_server_side_does_not_import_xgboost_or_scipy():
    program = (
        "import sys; import sagebrush.algorithms.xgboost.serve; "
        "sys.exit(any(name in sys.modules for name in ('xgboost', 'scipy', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
