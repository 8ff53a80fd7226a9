"""What a report is made from, as plain data; standard library only: a server sends it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sagebrush.tuning.messages import space_document, space_from
from sagebrush.tuning.spaces import Space


@dataclass(frozen=True, slots=True)
class ReportedTrial:
    """One trial: `objective` is None if it has none, `started_s` counts from the job's creation."""

    number: int
    name: str
    status: str
    hyperparameters: Mapping[str, str]
    objective: float | None = None
    started_s: float | None = None
    duration_s: float | None = None
    curve: Sequence[float] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReportedSearch:
    """The trials of one definition, in the order they began."""

    title: str
    metric: str
    direction: str
    space: Space
    trials: Sequence[ReportedTrial] = ()


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """All that a report tells. `facts` are shown as they are, name and text."""

    title: str
    facts: Mapping[str, str]
    searches: Sequence[ReportedSearch] = field(default=())

    def encode(self) -> bytes:
        """The request as a line."""
        searches = [
            {
                "title": each.title,
                "metric": each.metric,
                "direction": each.direction,
                "space": space_document(each.space),
                "trials": [asdict(trial) for trial in each.trials],
            }
            for each in self.searches
        ]
        document = {"report": {"title": self.title, "facts": self.facts, "searches": searches}}
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def decode(cls, document: Mapping[str, Any]) -> "ReportRequest":
        """The request that the document under ``report`` holds."""
        searches = [
            ReportedSearch(
                title=each["title"],
                metric=each["metric"],
                direction=each["direction"],
                space=space_from(each["space"]),
                trials=[ReportedTrial(**trial) for trial in each["trials"]],
            )
            for each in document["searches"]
        ]
        return cls(document["title"], document["facts"], tuple(searches))
