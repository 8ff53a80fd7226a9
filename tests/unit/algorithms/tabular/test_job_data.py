"""Rows for training and validation, their classes, and their sharing among hosts."""

import threading

import numpy as np
import pytest

from sagebrush.algorithms.collective import Collective, connect
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular.category_numbers import named_categories, with_category_numbers
from sagebrush.algorithms.tabular.job_data import read_data, split


def rows(count: int, start: int = 0) -> str:
    return "".join(f"{i % 3},{i},{'abc'[i % 3]}\n" for i in range(start, start + count))


def test_a_fifth_is_drawn_for_validation(channels, tmp_path):
    context = TrainingContext(tmp_path, {}, channels({"training/a.csv": rows(100)}))
    with pytest.raises(ClientError, match="column 3 holds 'a'"):
        read_data(context, "classification")
    context = TrainingContext(
        tmp_path,
        {},
        channels({"training/a.csv": rows(100), "training/c.json": {"cat_index_list": [2]}}),
    )
    data = read_data(context, "classification")
    assert (data.training.rows, data.validation.rows) == (80, 20)
    parts = [set(part.numbers[:, 0]) for part in (data.training, data.validation)]
    assert parts[0] | parts[1] == set(range(100))
    assert not parts[0] & parts[1]
    assert data.classes.labels == (0, 1, 2)
    again = read_data(context, "classification")
    np.testing.assert_array_equal(data.validation.numbers, again.validation.numbers)


def test_regression_has_no_classes(channels, tmp_path):
    context = TrainingContext(tmp_path, {}, channels({"training/a.csv": "0.5,1\n1.5,2\n" * 5}))
    assert read_data(context, "regression").classes is None


def test_a_single_class_is_refused(channels, tmp_path):
    context = TrainingContext(tmp_path, {}, channels({"training/a.csv": "7,1\n" * 9}))
    with pytest.raises(ClientError, match=r"at least two distinct labels.*only 7"):
        read_data(context, "classification")


def test_a_negative_label_is_no_class_but_beside_its_opposite(channels, tmp_path):
    files = {"training/a.csv": "0,1\n1,2\n" * 4, "training/b.csv": "0,1\n\n-1,2\n"}
    with pytest.raises(ClientError, match=r"row 3 of training/b\.csv: its label -1 is no class"):
        read_data(TrainingContext(tmp_path, {}, channels(files)), "classification")
    regression = read_data(TrainingContext(tmp_path, {}, channels(files)), "regression")
    assert regression.classes is None
    signs = channels({"training/a.csv": "-1,1\n1,2\n" * 4, "training/b.csv": "1,2\n"})
    found = read_data(TrainingContext(tmp_path, {}, signs), "classification")
    assert found.classes.labels == (-1, 1)


def test_validation_rows_are_as_wide_as_training_rows(channels, tmp_path):
    files = {"training/a.csv": "0,1\n1,2\n", "validation/b.csv": "0,1,2\n"}
    with pytest.raises(ClientError, match=r"row 1 of validation/b.csv: it has 3 columns"):
        read_data(TrainingContext(tmp_path, {}, channels(files)), "classification")


def test_an_empty_validation_channel_is_refused(channels, tmp_path):
    files = {"training/a.csv": "0,1\n1,2\n", "validation/b.csv": ""}
    with pytest.raises(ClientError, match="No data was found in the 'validation' channel"):
        read_data(TrainingContext(tmp_path, {}, channels(files)), "classification")


def on_hosts(function, count: int) -> list:
    """What each of so many hosts gets from function(group), each host a thread."""
    hosts = [f"127.0.0.{i + 1}" for i in range(count)]
    found: dict[int, object] = {}

    def run(rank: int) -> None:
        group: Collective = connect(hosts, hosts[rank], job=str(function), timeout_s=20)
        found[rank] = function(rank, group)
        group.close()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [found[rank] for rank in range(count)]


def test_hosts_share_replicated_rows_and_validate_on_the_same(channels, tmp_path):
    given = channels({"training/a.csv": rows(50), "training/c.json": {"cat_index_list": [2]}})
    context = TrainingContext(tmp_path, {}, given)
    found = on_hosts(lambda _, group: read_data(context, "classification", group), 2)
    assert [data.training.rows for data in found] == [20, 20]
    np.testing.assert_array_equal(found[0].validation.numbers, found[1].validation.numbers)


def test_sharded_rows_stay_and_classes_and_words_are_those_of_all(channels, tmp_path):
    contexts = [
        TrainingContext(
            tmp_path,
            {},
            channels(
                {
                    f"host{rank}/training/a.csv": text * 10,
                    f"host{rank}/training/c.json": {"cat_index_list": [2]},
                }
            ),
        )
        for rank, text in enumerate(["0,1,red\n1,2,blue\n", "2,3,red\n5,4,green\n"])
    ]
    for rank, context in enumerate(contexts):
        config = next(iter(context.channels.values()))
        context.channels = {
            "training": type(config)(
                "training", tmp_path / f"host{rank}" / "training", distribution="ShardedByS3Key"
            )
        }
    found = on_hosts(lambda rank, group: read_data(contexts[rank], "classification", group), 2)
    assert [data.training.rows for data in found] == [16, 16]
    assert [data.validation.rows for data in found] == [8, 8]
    for data in found:
        assert data.classes.labels == (0, 1, 2, 5)
        words = named_categories(data.training)
        assert words == {1: ["blue", "green", "red"]}
        numbers = with_category_numbers(data.training, words)
        assert {1: 2.0, 2: 0.0, 3: 2.0, 4: 1.0}[numbers[0, 0]] == numbers[0, 1]


def test_a_split_of_few_rows_keeps_them_all(channels, tmp_path):
    context = TrainingContext(
        tmp_path, {}, channels({"training/a.csv": "1,2\n0,3\n1,4\n", "validation/b.csv": "0,1\n"})
    )
    table = read_data(context, "classification").training
    training, validation = split(table)
    assert (training.rows, validation.rows) == (2, 1)
