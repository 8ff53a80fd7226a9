"""The search process and what goes to and from it."""

import io
import json
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from sagebrush.tuning.bayesian import BayesianSearch, Observation
from sagebrush.tuning.messages import SuggestionRequest, space_document, space_from
from sagebrush.tuning.spaces import Categorical, Continuous, Integer, Space
from sagebrush.tuning.worker import serve

SPACE = Space(
    (Continuous("x", 1e-3, 1.0, "Logarithmic"), Integer("n", 1, 9), Categorical("c", ("a", "b")))
)
OBSERVED = [({"x": 0.001 * 2**i, "n": i + 1, "c": "ab"[i % 2]}, float(i)) for i in range(9)]
REQUEST = SuggestionRequest(
    "job", SPACE, 3, OBSERVED, [{"x": 0.5, "n": 2, "c": "a"}], [{"x": 0.9, "n": 9, "c": "b"}]
)


def answers(*lines: bytes) -> list[dict]:
    out = io.BytesIO()
    serve(io.BytesIO(b"".join(lines)), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@given(
    st.lists(
        st.one_of(
            st.builds(Continuous, st.text(), st.floats(0, 1), st.floats(2, 3)),
            st.builds(Integer, st.text(), st.integers(0, 5), st.integers(6, 9)),
            st.builds(Categorical, st.text(), st.lists(st.text(), min_size=1).map(tuple)),
        )
    )
)
def test_spaces_survive_the_way(parameters):
    space = Space(tuple(parameters))
    assert space_from(json.loads(json.dumps(space_document(space)))) == space


def test_requests_survive_the_way():
    assert SuggestionRequest.decode(json.loads(REQUEST.encode())) == REQUEST


def test_an_answer_is_what_the_library_suggests():
    search = BayesianSearch(SPACE, 3)
    observed = [Observation(each, value) for each, value in OBSERVED]
    expected = search.suggest(observed, REQUEST.pending, REQUEST.failed)
    assert answers(REQUEST.encode()) == [{"configuration": expected}]


def test_a_broken_request_is_answered_and_the_next_one_too():
    failed, answered = answers(b'{"search": 1}\n', REQUEST.encode())
    assert "KeyError" in failed["error"]
    assert set(answered["configuration"]) == {"x", "n", "c"}


def test_the_process_serves_until_its_input_ends():
    finished = subprocess.run(
        [sys.executable, "-m", "sagebrush.tuning.worker"],
        input=REQUEST.encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(finished.stdout)["configuration"]["c"] in ("a", "b")
