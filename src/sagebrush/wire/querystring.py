"""Query strings and form bodies to parameters."""

from __future__ import annotations

from urllib.parse import unquote_plus


def parse_query(text: str) -> dict[str, list[str]]:
    """Return all values of each parameter; one without `=` has the empty value."""
    parameters: dict[str, list[str]] = {}
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            parameters.setdefault(_decode(name), []).append(_decode(value))
    return parameters


def _decode(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text
