"""Declared hyperparameters: what is accepted, and how the rest is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import (
    Boolean,
    Categorical,
    Continuous,
    Field,
    Integer,
    Json,
    Text,
)
from sagebrush.algorithms.hyperparameters import Schema, Wording


def needs_momentum_for_sgd(values):
    if values["optimizer"] == "sgd" and values["momentum"] is None:
        raise ClientError("momentum is required for sgd")


SCHEMA = Schema(
    fields=(
        Integer("k", required=True, low=1),
        Integer("epochs", default=15, low=1, tunable=True, tune_high=20),
        Continuous("rate", default="auto", words=("auto",), low=0, low_open=True, aliases=("eta",)),
        Continuous("momentum", low=0, high=1, high_open=True),
        Categorical("optimizer", default="adam", choices=("adam", "sgd")),
        Boolean("use_bias", default=True),
        Json("eval_metrics", default=["msd"]),
        Text("note", hidden=True),
    ),
    rules=(needs_momentum_for_sgd,),
)


def refusal(**strings: str) -> str:
    with pytest.raises(ClientError) as raised:
        SCHEMA.parse({"k": "3"} | strings)
    return str(raised.value)


def test_strings_become_values_and_the_rest_defaults():
    assert SCHEMA.parse({"k": "3", "eta": "0.5", "use_bias": "False", "_tuning": "x"}) == {
        "k": 3,
        "epochs": 15,
        "rate": 0.5,
        "momentum": None,
        "optimizer": "adam",
        "use_bias": False,
        "eval_metrics": ["msd"],
        "note": None,
    }


@pytest.mark.parametrize("text", ["true", "True", "1", "yes"])
def test_booleans_have_many_spellings(text):
    assert SCHEMA.parse({"k": "1", "use_bias": text})["use_bias"] is True


def test_words_stay_strings_and_whole_floats_are_integers():
    values = SCHEMA.parse({"k": "3.0", "rate": "auto"})
    assert values["k"] == 3
    assert isinstance(values["k"], int)
    assert values["rate"] == "auto"


@given(st.integers() | st.floats() | st.text(max_size=8))
def test_an_integer_field_takes_whole_numbers_of_its_range_only(value):
    field = Integer("k", low=1, high=10)
    try:
        parsed = field.parse(str(value))
    except ValueError:
        return
    assert 1 <= parsed <= 10
    assert float(str(value)) == parsed


@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [
        (Continuous("x", low=0, high=1), ["0", "1", "1e-9"], ["-1e-9", "1.01", "nan", "inf", "a"]),
        (Continuous("x", low=0, low_open=True), ["1e-9", "5"], ["0", "-1", "inf", ""]),
        (Continuous("x", high=1, high_open=True), ["-5", "0.999"], ["1", "nan"]),
        (Integer("x", low=2), ["2", "3.0"], ["1", "2.5", "1e400", "x", "", "1_000"]),
        (Integer("x", words=("auto",)), ["auto", "-1"], ["Auto", "nan"]),
        (Json("x"), ["[1]", "{}"], ["[1", "a"]),
        (Boolean("x", words=("auto",)), ["auto", "0", "TRUE"], ["2", "maybe"]),
    ],
)
def test_bounds_are_kept(field: Field, inside, outside):
    for text in inside:
        field.parse(text)
    for text in outside:
        with pytest.raises(ValueError, match=r".*"):
            field.parse(text)


def test_refusals_are_worded_as_the_first_party_images_word_them():
    with pytest.raises(ClientError) as raised:
        SCHEMA.parse({})
    assert str(raised.value) == (
        "No value(s) were specified for 'k' which are required hyperparameter(s) "
        "(caused by ValidationError)\n\nCaused by: 'k' is a required property"
    )
    assert "Additional properties are not allowed ('zz' was unexpected)" in refusal(zz="1")
    assert "('a', 'zz' were unexpected)" in refusal(zz="1", a="1")
    assert "'abc' is not valid under any of the given schemas" in refusal(rate="abc")
    assert "'abc' is not valid for the 'epochs' hyperparameter" in refusal(epochs="abc")
    assert "0 is less than the minimum of 1" in refusal(k="0")
    assert "1 is greater than or equal to the maximum of 1" in refusal(momentum="1")
    assert refusal(eval_metrics="[msd").startswith(
        "Hyperparameter must be valid json, but found eval_metrics: [msd (caused by ValueError)"
    )
    assert "'adagrad' is not one of ['adam', 'sgd']" in refusal(optimizer="adagrad")


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        (Continuous("rate", low=0.0), "1e300", "1e300 is greater than the maximum of 3.40282"),
        (Continuous("bias"), "-1e39", "-1e39 is less than the minimum of -3.40282"),
        (Continuous("auto", words=("auto",)), "1e39", "1e39 is greater than the maximum of 3.40"),
        (Integer("epochs", low=1), "1" + 19 * "0", "is greater than the maximum of 9223372036"),
    ],
)
def test_numbers_that_cannot_be_computed_with_are_refused(field: Field, text, reason):
    with pytest.raises(
        ClientError, match=f"'{field.name}' hyperparameter.*\n\nCaused by: .*{reason}"
    ):
        Schema((field,)).parse({field.name: text})


def test_rules_see_all_values():
    assert refusal(optimizer="sgd") == "momentum is required for sgd"
    assert SCHEMA.parse({"k": "1", "optimizer": "sgd", "momentum": "0.9"})["momentum"] == 0.9


def test_an_image_family_may_word_refusals_its_own_way():
    class Terse(Wording):
        def unknown(self, names: list[str]) -> str:
            return f"Extraneous hyperparameter found: {names[0]}"

    schema = Schema(SCHEMA.fields, wording=Terse(), underscore_names_accepted=False)
    with pytest.raises(ClientError, match=re.escape("Extraneous hyperparameter found: _x")):
        schema.parse({"k": "1", "_x": "1"})


def test_descriptions_have_the_shape_of_sagemakers_own():
    described = {each["Name"]: each for each in SCHEMA.describe()}
    assert "note" not in described
    assert described["epochs"] == {
        "Name": "epochs",
        "Type": "Integer",
        "IsTunable": True,
        "IsRequired": False,
        "DefaultValue": "15",
        "Range": {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "20"}},
    }
    assert described["optimizer"]["Range"] == {
        "CategoricalParameterRangeSpecification": {"Values": ["adam", "sgd"]}
    }
    assert described["eval_metrics"]["DefaultValue"] == '["msd"]'
    assert described["use_bias"]["DefaultValue"] == "true"


def test_fields_are_found_by_name_and_alias():
    assert SCHEMA.field("eta").name == "rate"
    with pytest.raises(KeyError):
        SCHEMA.field("zz")
