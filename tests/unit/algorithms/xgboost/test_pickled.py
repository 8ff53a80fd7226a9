"""A pickle may name any function: none of them may run."""

import os
import pickle
import pickletools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.xgboost.pickled import PickleLayout, read_pickled_booster


class Exploit:
    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def pickled_booster(state: dict, protocol: int) -> bytes:
    """What pickling an xgboost.core.Booster gives, without needing the library."""
    template = pickle.dumps(state, protocol)
    head = (
        b"\x80\x02cxgboost.core\nBooster\n)\x81"
        if protocol >= 2
        else b"cxgboost.core\nBooster\n)\x81"
    )
    body = template[2:-1] if protocol >= 2 else template[:-1]
    return head + body + b"b."


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_model_and_the_tree_limit_are_taken_out(protocol: int):
    state = {"handle": bytearray(b"{model}"), "best_ntree_limit": 7, "feature_names": ["a"]}
    found = read_pickled_booster(pickled_booster(state, protocol))
    assert found == (b"{model}", 7, PickleLayout.DOCUMENT)


def test_the_settings_around_the_model_of_versions_1_0_to_1_5_are_cut_off():
    handle = b"CONFIG-offset:" + (5).to_bytes(8, "little") + b"MODEL" + b'{"learner": {}}'
    data = pickled_booster({"handle": bytearray(handle)}, 3)
    found = read_pickled_booster(data)
    assert (found.model, found.layout) == (b"MODEL", PickleLayout.MODEL_AND_SETTINGS)


def test_versions_before_1_0_put_the_model_alone():
    found = read_pickled_booster(pickled_booster({"handle": bytearray(b"binf-model")}, 3))
    assert (found.model, found.layout) == (b"binf-model", PickleLayout.MODEL)


@pytest.mark.parametrize(
    "exploit",
    [
        Exploit(os.system, "exit 3"),
        Exploit(eval, "open('made', 'w')"),
        Exploit(getattr, "", "join"),
        Exploit(bytes.fromhex, "00"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_functions_of_a_pickle_do_not_run(exploit, protocol: int, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is not part of a Booster"):
        read_pickled_booster(pickle.dumps({"handle": exploit}, protocol))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("held", [{"handle": b"x"}, [1], b"bytes", None])
def test_other_objects_are_no_model(held):
    with pytest.raises(ValueError, match="not a Booster"):
        read_pickled_booster(pickle.dumps(held))


def test_a_booster_without_a_model_is_refused():
    with pytest.raises(ValueError, match="holds no model"):
        read_pickled_booster(pickled_booster({"handle": None}, 2))


@given(st.binary(max_size=80), st.integers(0, 80))
def test_noise_raises_value_error(noise: bytes, cut: int):
    data = pickled_booster({"handle": bytearray(b"model")}, 3)[:cut] + noise
    try:
        found = read_pickled_booster(data)
    except ValueError:
        return
    assert isinstance(found.model, bytes)
    assert pickletools.optimize(data)
