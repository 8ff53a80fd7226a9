"""The documented layouts of tabular channels."""

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular.data_files import find_data


def names(streams):
    return None if streams is None else [stream.name for stream in streams]


def test_two_channels(channels):
    found = find_data(
        channels(
            {
                "training/a.csv": "1,2",
                "training/deep/b.csv": "1,2",
                "training/categorical_index.json": {"cat_index_list": [3, 1]},
                "validation/c.csv": "1,2",
            }
        )
    )
    assert names(found.training) == ["training/a.csv", "training/deep/b.csv"]
    assert names(found.validation) == ["validation/c.csv"]
    assert found.categorical == (0, 2)


@pytest.mark.parametrize("folder", ["train", "training"])
def test_one_channel_with_a_folder_for_each_part(channels, folder):
    found = find_data(
        channels(
            {
                f"training/{folder}/data.csv": "1,2",
                "training/validation/data.csv": "1,2",
                "training/cat_idx.json": {"cat_idx": [1]},
            }
        )
    )
    assert names(found.training) == [f"training/{folder}/data.csv"]
    assert names(found.validation) == ["training/validation/data.csv"]
    assert found.categorical == (0,)


def test_no_validation_data(channels):
    found = find_data(channels({"training/train/data.csv": "1,2"}))
    assert found.validation is None
    assert find_data(channels({"training/data.csv": "1,2"})).validation is None


def test_no_data(channels):
    with pytest.raises(ClientError, match="No data was found in the 'training' channel"):
        find_data(channels({"training/categorical_index.json": {"cat_index_list": []}}))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is not JSON"),
        ([1], "JSON object with the key 'cat_index_list'"),
        ({"other": [1]}, "JSON object with the key 'cat_index_list'"),
        ({"cat_index_list": ["1"]}, "list of integers"),
        ({"cat_index_list": [True]}, "list of integers"),
        ({"cat_index_list": [0]}, "holds 0; column numbers are greater than 0"),
        ({"cat_index_list": [2**31 - 1]}, "less than 2147483647"),
        ({"cat_index_list": [1, 1]}, "twice"),
    ],
)
def test_a_wrong_list_of_categorical_columns_is_refused(channels, document, message):
    with pytest.raises(ClientError, match=message):
        find_data(channels({"training/a.csv": "1,2", "training/categorical_index.json": document}))


def test_one_list_only(channels):
    files = {f"training/{name}.json": {"cat_index_list": [1]} for name in ("one", "two")}
    with pytest.raises(ClientError, match=r"one categorical index file only.*one.json.*two.json"):
        find_data(channels({"training/a.csv": "1,2", **files}))
