"""Parameters and their places on the unit interval."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sagebrush.tuning.spaces import (
    Categorical,
    Continuous,
    Integer,
    Space,
    SpaceError,
    scaling_of,
)


@given(
    st.floats(1e-6, 1e6),
    st.floats(1.001, 1e6),
    st.floats(0, 1),
    st.sampled_from(["Linear", "Logarithmic"]),
)
def test_continuous_places_and_values_are_each_others_inverse(low, ratio, position, scaling):
    parameter = Continuous("x", low, low * ratio, scaling)
    value = parameter.from_unit(position)
    assert low <= value <= low * ratio
    assert parameter.to_unit(value) == pytest.approx(position, abs=1e-6)
    assert parameter.parse(parameter.render(value)) == value


@given(st.floats(0, 0.9), st.floats(0.001, 0.0999), st.floats(0, 1))
def test_reverse_logarithmic_places_and_values_are_each_others_inverse(low, width, position):
    parameter = Continuous("x", low, low + width, "ReverseLogarithmic")
    assert parameter.to_unit(parameter.from_unit(position)) == pytest.approx(position, abs=1e-6)


def test_scales_put_their_middle_where_they_say():
    assert Continuous("x", 1e-4, 1.0, "Logarithmic").from_unit(0.5) == pytest.approx(1e-2)
    assert Continuous("x", 0.9, 0.999, "ReverseLogarithmic").from_unit(0.5) == pytest.approx(0.99)
    assert Continuous("x", 0.0, 10.0).from_unit(0.5) == 5.0


@given(st.integers(-50, 50), st.integers(0, 100), st.floats(0, 1))
def test_integers_stay_in_range_and_come_back(low, width, position):
    parameter = Integer("n", low, low + width)
    value = parameter.from_unit(position)
    assert low <= value <= low + width
    assert parameter.from_unit(parameter.to_unit(value)) == value
    assert parameter.render(value) == str(value)


def test_integers_have_equal_shares_on_a_linear_scale():
    parameter = Integer("n", 1, 4)
    drawn = [parameter.from_unit((i + 0.5) / 1000) for i in range(1000)]
    assert [drawn.count(value) for value in (1, 2, 3, 4)] == [250] * 4


@given(st.integers(1, 1000), st.integers(1, 1000), st.floats(0, 1))
def test_logarithmic_integers_come_back(low, width, position):
    parameter = Integer("n", low, low + width, "Logarithmic")
    value = parameter.from_unit(position)
    assert parameter.from_unit(parameter.to_unit(value)) == value


def test_categories_have_equal_shares_and_others_are_refused():
    parameter = Categorical("c", ("a", "b", "c"))
    assert [parameter.from_unit(p) for p in (0.0, 0.34, 0.99, 1.0)] == ["a", "b", "c", "c"]
    with pytest.raises(SpaceError, match="'d' is none of"):
        parameter.to_unit("d")


@pytest.mark.parametrize(
    ("requested", "low", "high", "integer", "found"),
    [
        ("Auto", 1e-4, 1.0, False, "Logarithmic"),
        ("Auto", 1.0, 50.0, False, "Linear"),
        ("Auto", 0.0, 1e6, False, "Linear"),
        ("Auto", 1, 1000, True, "Logarithmic"),
        ("Linear", 1, 1000, True, "Linear"),
        ("ReverseLogarithmic", 0.5, 0.999, False, "ReverseLogarithmic"),
    ],
)
def test_auto_sees_orders_of_magnitude(requested, low, high, integer, found):
    assert scaling_of("x", requested, low, high, integer=integer) == found


@pytest.mark.parametrize(
    ("requested", "low", "high", "integer", "message"),
    [
        ("Logarithmic", 0.0, 1.0, False, "minimum above 0"),
        ("ReverseLogarithmic", 0.0, 1.0, False, r"within \[0, 1\)"),
        ("ReverseLogarithmic", -0.1, 0.5, False, r"within \[0, 1\)"),
        ("ReverseLogarithmic", 0, 0, True, "continuous"),
    ],
)
def test_scales_that_a_range_does_not_allow_are_refused_by_name(
    requested, low, high, integer, message
):
    with pytest.raises(SpaceError, match=f"rate: .*{message}"):
        scaling_of("rate", requested, low, high, integer=integer)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_space_renders_what_it_parses(position):
    space = Space((Continuous("x", 0, 1), Integer("n", 2, 9), Categorical("c", ("u", "v"))))
    configuration = space.from_unit(position)
    assert space.parse(space.render(configuration)) == configuration
    again = space.from_unit(space.to_unit(configuration))
    assert again["n"] == configuration["n"]
    assert again["c"] == configuration["c"]
    assert math.isclose(again["x"], configuration["x"], abs_tol=1e-12)


@given(st.integers(1, 5), st.integers(1, 5))
def test_the_size_of_a_space_is_its_number_of_configurations(m, n):
    assume(m * n < 30)
    space = Space((Integer("n", 1, m), Categorical("c", tuple("abcdef"[:n]))))
    assert space.size == m * n
    assert Space((*space.parameters, Continuous("x", 0, 1))).size is None
