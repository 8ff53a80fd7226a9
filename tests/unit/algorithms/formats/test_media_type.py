"""Content-Type and Accept values."""

import pytest

from sagebrush.algorithms.formats.media_type import MediaType, negotiate

OFFERED = ("application/json", "application/jsonlines", "text/csv")


def test_parameters_are_read_with_any_spacing_and_case():
    media = MediaType.parse('Text/CSV ; Label_Size=2;header="absent"; verbose=TRUE')
    assert media.name == "text/csv"
    assert media.parameters == {"label_size": "2", "header": "absent", "verbose": "TRUE"}
    assert media.flag("verbose")
    assert not media.flag("missing")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/*", "application/json"),
        ("image/png, text/csv;q=0.5, application/jsonlines;q=0.8", "application/jsonlines"),
        ("text/csv;q=0, */*;q=0.1", "application/json"),
    ],
)
def test_the_best_fitting_type_is_chosen(accept, expected):
    media = negotiate(accept, OFFERED, "application/json")
    assert media is not None
    assert media.name == expected


def test_parameters_of_the_chosen_type_are_kept():
    media = negotiate("application/json; verbose=true", OFFERED, "text/csv")
    assert media is not None
    assert media.flag("verbose")


def test_nothing_fits():
    assert negotiate("image/png", OFFERED, "text/csv") is None
    assert negotiate("text/csv;q=0", OFFERED, "text/csv") is None
