"""The built-in algorithms: a registry of cards that imports no numerical library."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from sagebrush.algorithms.card import Card, Environment


class UnknownImageError(LookupError):
    """No built-in algorithm answers to this image URI."""


class ResolvedImage(NamedTuple):
    """The algorithm an image URI stands for, the environment it runs in, and its tag."""

    card: Card
    environment: Environment
    tag: str


def algorithm_names() -> tuple[str, ...]:
    """The names of all built-in algorithms, sorted."""
    return tuple(_cards())


@cache
def _cards() -> dict[str, Card]:
    """Every algorithm's card: one for each folder beside this file that can train."""
    folders = (path.parent.name for path in Path(__file__).parent.glob("*/train.py"))
    cards: list[Card] = [import_module(f"{__name__}.{name}").CARD for name in folders]
    return {card.name: card for card in sorted(cards, key=lambda card: card.name)}


def card_of(name: str) -> Card:
    """The card of the named algorithm; LookupError if there is none."""
    card = _cards().get(name)
    if card is None:
        raise LookupError(f"no built-in algorithm is called {name!r}")
    return card


def split_image_uri(image_uri: str) -> tuple[str, str]:
    """Repository (last path part) and tag (``latest`` if unsaid) of an image URI."""
    name = image_uri.partition("@")[0].rpartition("/")[2]
    repository, _, tag = name.partition(":")
    return repository, tag or "latest"


def resolve_image(image_uri: str) -> ResolvedImage:
    """The built-in algorithm an image URI of any account and region stands for.

    UnknownImageError when no algorithm has the repository or when it never had the tag.
    """
    repository, tag = split_image_uri(image_uri)
    for card in _cards().values():
        if repository in card.repositories:
            try:
                return ResolvedImage(card, card.environment_of(tag), tag)
            except LookupError as error:
                raise UnknownImageError(f"{repository}: {error}") from error
    raise UnknownImageError(f"no built-in algorithm has the repository {repository!r}")
