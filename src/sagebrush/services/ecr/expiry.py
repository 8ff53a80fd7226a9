"""Which images a lifecycle policy expires.

Rules apply in the order of their priority; an image is matched by one rule at most, so that a rule
of higher priority keeps what a later one would expire. Source: ECR User Guide, "Lifecycle policy
parameters" and "How lifecycle policies work".
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson

from sagebrush.base.errors import SagebrushError
from sagebrush.services.platform import Platform

_DAY_S = 86_400.0


class RuleError(SagebrushError):
    """A lifecycle policy breaks the grammar."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: which tags it looks at, and how many images or days it keeps."""

    priority: int
    status: str
    patterns: tuple[str, ...]
    by_count: bool
    number: int

    def covers(self, tags: list[str]) -> bool:
        """Return whether an image with `tags` is one the rule looks at."""
        if self.status == "any":
            return True
        if self.status == "untagged":
            return not tags
        # Every pattern has to be met by some tag.
        return bool(tags) and all(
            any(fnmatchcase(tag, pattern) for tag in tags) for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Image:
    """What the rules look at of an image."""

    digest: str
    pushed: float
    tags: list[str]


def parse_rules(text: str) -> list[Rule]:
    """Return a policy's rules by priority.

    Raises:
        RuleError: the policy breaks the grammar.
    """
    try:
        rules = [_rule(rule) for rule in orjson.loads(text)["rules"]]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise RuleError(f"malformed policy ({error})") from None
    if not rules or len({rule.priority for rule in rules}) != len(rules):
        raise RuleError("rulePriority must be unique, and there must be a rule")
    return sorted(rules, key=lambda rule: rule.priority)


def expired(rules: list[Rule], images: list[Image], now: float) -> list[str]:
    """Return the digests of the images that expire at `now`."""
    gone = []
    remaining = sorted(images, key=lambda image: image.pushed, reverse=True)
    for rule in rules:
        covered = [image for image in remaining if rule.covers(image.tags)]
        if rule.by_count:
            leaving = covered[rule.number :]
        else:
            leaving = [i for i in covered if i.pushed < now - rule.number * _DAY_S]
        gone += [image.digest for image in leaving]
        remaining = [image for image in remaining if image not in covered]
    return gone


def expire_images(platform: Platform) -> None:
    """Delete the images that the lifecycle policies of all repositories expire."""
    for row in platform.db.all("SELECT id, document FROM ecr_repositories"):
        policy = orjson.loads(row["document"]).get("lifecycle")
        if policy is None:
            continue
        images = _images(platform, row["id"])
        for digest in expired(parse_rules(policy), images, platform.clock.now()):
            platform.db.execute(
                "DELETE FROM ecr_images WHERE repository_id = ? AND digest = ?",
                (row["id"], digest),
            )


def _images(platform: Platform, repository_id: int) -> list[Image]:
    tags: dict[str, list[str]] = {}
    for row in platform.db.all(
        "SELECT tag, digest FROM ecr_tags WHERE repository_id = ?", (repository_id,)
    ):
        tags.setdefault(row["digest"], []).append(row["tag"])
    return [
        Image(row["digest"], row["pushed"], tags.get(row["digest"], []))
        for row in platform.db.all(
            "SELECT digest, pushed FROM ecr_images WHERE repository_id = ?", (repository_id,)
        )
    ]


def _rule(rule: dict[str, Any]) -> Rule:
    selection = rule["selection"]
    status = selection["tagStatus"]
    if rule["action"] != {"type": "expire"}:
        raise RuleError("action must be {'type': 'expire'}")
    if status not in ("tagged", "untagged", "any"):
        raise RuleError("tagStatus must be tagged, untagged or any")
    patterns = (
        *(f"{prefix}*" for prefix in selection.get("tagPrefixList", [])),
        *selection.get("tagPatternList", []),
    )
    if (status == "tagged") != bool(patterns):
        raise RuleError("tagPrefixList or tagPatternList goes with tagStatus tagged")
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise RuleError("tag patterns must be strings")
    kind, number = selection["countType"], selection["countNumber"]
    if kind not in ("imageCountMoreThan", "sinceImagePushed"):
        raise RuleError(f"countType {kind} is not supported")
    if kind == "sinceImagePushed" and selection.get("countUnit") != "days":
        raise RuleError("countUnit must be days")
    if not isinstance(number, int) or number < 1 or not isinstance(rule["rulePriority"], int):
        raise RuleError("countNumber and rulePriority must be positive integers")
    return Rule(rule["rulePriority"], status, patterns, kind == "imageCountMoreThan", number)
