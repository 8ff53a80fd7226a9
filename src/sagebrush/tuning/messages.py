"""What a server and its search process tell each other: a JSON document per line, each way.

Standard library only: both ends use it. A request holds all there is to know, so that a search
process can die between any two of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sagebrush.tuning.spaces import (
    Categorical,
    Configuration,
    Continuous,
    Integer,
    Parameter,
    Space,
    Value,
)

_KINDS: dict[str, type[Parameter]] = {
    "continuous": Continuous,
    "integer": Integer,
    "categorical": Categorical,
}


@dataclass(frozen=True, slots=True)
class SuggestionRequest:
    """Ask for the next configuration of a search.

    ``search`` names it, so that the process may remember what it worked out before. Each of
    ``observed`` is a configuration and its objective, of which less is better; ``failed`` ones
    have none.
    """

    search: str
    space: Space
    seed: int
    observed: Sequence[tuple[Configuration, float]]
    pending: Sequence[Configuration]
    failed: Sequence[Configuration] = ()

    def encode(self) -> bytes:
        """The request as a line."""
        document = {
            "search": self.search,
            "space": space_document(self.space),
            "seed": self.seed,
            "observed": [[dict(each), value] for each, value in self.observed],
            "pending": [dict(each) for each in self.pending],
            "failed": [dict(each) for each in self.failed],
        }
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def decode(cls, document: Mapping[str, Any]) -> "SuggestionRequest":
        """The request that a line's document holds; KeyError or TypeError if it holds none."""
        return cls(
            search=document["search"],
            space=space_from(document["space"]),
            seed=document["seed"],
            observed=[(each, value) for each, value in document["observed"]],
            pending=document["pending"],
            failed=document["failed"],
        )


def encode_answer(configuration: Mapping[str, Value]) -> bytes:
    """A suggestion as a line."""
    return json.dumps({"configuration": dict(configuration)}).encode() + b"\n"


def encode_failure(reason: str) -> bytes:
    """Why there is no suggestion, as a line."""
    return json.dumps({"error": reason}).encode() + b"\n"


def space_document(space: Space) -> list[dict[str, Any]]:
    """A space as plain data."""
    names = {kind: name for name, kind in _KINDS.items()}
    return [{"kind": names[type(each)], **asdict(each)} for each in space.parameters]


def space_from(document: Sequence[Mapping[str, Any]]) -> Space:
    """The space that `space_document` described."""
    parameters: list[Parameter] = []
    for each in document:
        members = {name: value for name, value in each.items() if name != "kind"}
        if "values" in members:
            members["values"] = tuple(members["values"])
        parameters.append(_KINDS[each["kind"]](**members))
    return Space(tuple(parameters))
