"""The built-in algorithms: a registry of cards that imports no numerical library."""

from typing import NamedTuple

from sagebrush.algorithms.card import Card, Environment, load_attribute

_CARDS = {
    "kmeans": "sagebrush.algorithms.kmeans:CARD",
    "linear-learner": "sagebrush.algorithms.linear_learner:CARD",
    "xgboost": "sagebrush.algorithms.xgboost:CARD",
}


class UnknownImageError(LookupError):
    """No built-in algorithm answers to this image URI."""


class ResolvedImage(NamedTuple):
    """The algorithm an image URI stands for, the environment it runs in, and its tag."""

    card: Card
    environment: Environment
    tag: str


def algorithm_names() -> tuple[str, ...]:
    """The names of all built-in algorithms, sorted."""
    return tuple(sorted(_CARDS))


def card_of(name: str) -> Card:
    """The card of the named algorithm; LookupError if there is none."""
    reference = _CARDS.get(name)
    if reference is None:
        raise LookupError(f"no built-in algorithm is called {name!r}")
    card: Card = load_attribute(reference)
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
    for name in _CARDS:
        card = card_of(name)
        if repository in card.repositories:
            try:
                return ResolvedImage(card, card.environment_of(tag), tag)
            except LookupError as error:
                raise UnknownImageError(f"{repository}: {error}") from error
    raise UnknownImageError(f"no built-in algorithm has the repository {repository!r}")
