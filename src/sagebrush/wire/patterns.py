r"""The models' regular expressions, written for Java, as matchers for Python.

Java knows `\p{L}` and UTF-16 surrogate ranges, Python's `re` does not. Such classes are expanded
to character ranges; since tables of all of Unicode are large and most values are ASCII, each
pattern has a small matcher for ASCII text and a full one that is made only when needed.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

# Patterns that take exponential time on some texts, as patterns of the same meaning that do not.
_LINEAR = {
    r"[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?": r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"^[a-z0-9*]+(?:[._\-/][a-z0-9*]+)*$",
    r"[a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*": r"[a-zA-Z0-9][a-zA-Z0-9+\-.]*",
    r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$": r"^\t*[\x20-\x7E][\t\x20-\x7E]*$",
    r"[a-zA-Z](?:-?[a-zA-Z0-9]+)*": r"[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9]+)*",
}

Matcher = Callable[[str], bool]

# Java writes characters beyond U+FFFF in classes as the range between two surrogate pairs.
_SURROGATE_RANGE = re.compile(r"\\u[dD]800\\u[dD][cC]00-\\u[dD][bB][fF]{2}\\u[dD][fF]{3}")
_PROPERTY = re.compile(r"\\([pP])(?:\{(\w+)\}|([A-Z]))")
_JAVA_END = re.compile(r"\\[zZ](?=$|\))")
_JAVA_CODE_POINT = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
# A hyphen next to a class escape (`\s-_`) is a literal in Java and an error in Python.
_HYPHEN_AFTER_CLASS = re.compile(r"(?<=\\[swdSWD])-(?=[^\]])")
# `||` in a class is the bar twice; Python reserves it and warns.
_DOUBLED_BAR = re.compile(r"(?<=\})\|\|(?=\\)")
_IGNORE_CASE = "(?i)"
# POSIX classes of java.util.regex.Pattern, ASCII only as defined there.
_POSIX = {
    "ASCII": r"\x00-\x7F",
    "Alnum": "0-9A-Za-z",
    "Alpha": "A-Za-z",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1F\x7F",
    "Digit": "0-9",
    "Graph": r"\x21-\x7E",
    "Lower": "a-z",
    "Print": r"\x20-\x7E",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0B\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9A-Fa-f",
    "all": r"\x00-\U0010FFFF",
}


@cache
def matcher(pattern: str) -> Matcher | None:
    """Return a predicate for whole values, or None when the pattern cannot be expressed here.

    A pattern has to match the whole value, as in AWS's own validators: many models leave out one
    or both anchors and mean them.
    """
    ascii_only = _compile(pattern, 0x7F)
    if ascii_only is None:
        return None
    if not _PROPERTY.search(pattern):
        full = ascii_only
        return lambda value: full(value) is not None

    def match(value: str) -> bool:
        if value.isascii():
            return ascii_only(value) is not None
        return _compile_full(pattern)(value) is not None

    return match


@cache
def _compile_full(pattern: str) -> Callable[[str], re.Match[str] | None]:
    compiled = _compile(pattern, sys.maxunicode)
    if compiled is None:
        raise re.error(f"{pattern} compiles for ASCII only")
    return compiled


def _compile(pattern: str, last: int) -> Callable[[str], re.Match[str] | None] | None:
    if "&&[" in pattern:
        return None  # an intersection of classes
    flags = re.IGNORECASE if _IGNORE_CASE in pattern else 0
    try:
        compiled = re.compile(_translate(pattern.replace(_IGNORE_CASE, ""), last), flags)
    except (re.error, KeyError):
        return None
    return compiled.fullmatch


def _translate(pattern: str, last: int) -> str:
    pattern = _LINEAR.get(pattern, pattern)
    text = _SURROGATE_RANGE.sub(r"\\U00010000-\\U0010FFFF", pattern)
    text = _JAVA_END.sub(r"\\Z", text)
    text = _JAVA_CODE_POINT.sub(lambda match: f"\\U{int(match[1], 16):08X}", text)
    text = _HYPHEN_AFTER_CLASS.sub(r"\\-", text)
    text = _DOUBLED_BAR.sub(r"\\|", text)
    return _expand_properties(text, last)


def _expand_properties(text: str, last: int) -> str:
    pieces: list[str] = []
    position = 0
    for match in _PROPERTY.finditer(text):
        pieces.append(text[position : match.start()])
        ranges = _ranges(match[2] or match[3], last, negated=match[1] == "P")
        inside = _inside_class(text, match.start())
        if inside:
            following = text[match.end() : match.end() + 2]
            literal_hyphen = following[:1] == "-" and following != "-]"
            pieces.append(ranges + ("\\" if literal_hyphen else ""))
        else:
            pieces.append(f"[{ranges}]" if ranges else "(?!)")
        position = match.end()
    pieces.append(text[position:])
    return "".join(pieces)


def _inside_class(text: str, position: int) -> bool:
    inside, index = False, 0
    while index < position:
        character = text[index]
        if character == "\\":
            index += 1
        elif character == "[":
            inside = True
        elif character == "]":
            inside = False
        index += 1
    return inside


@cache
def _ranges(name: str, last: int, *, negated: bool) -> str:
    if name in _POSIX and not negated:
        return _POSIX[name]
    if name.startswith("Is") and len(name) > 3:
        name = _SCRIPTS[name]
    elif name == "LD":
        return _ranges("L", last, negated=False) + _ranges("Nd", last, negated=False)
    category = _category(name)
    return "".join(
        f"\\U{first:08X}" if first == end else f"\\U{first:08X}-\\U{end:08X}"
        for first, end in _runs(category, last, negated=negated)
    )


# Unicode properties that come close enough to a general category.
_SCRIPTS = {"IsAlphabetic": "L", "IsDigit": "Nd", "IsLetter": "L", "IsWhitespace": "Z"}
_GENERAL = frozenset("LMNPSZC")


def _category(name: str) -> str:
    if name in _GENERAL or (len(name) == 2 and name[0] in _GENERAL):
        return name
    raise KeyError(name)


def _runs(prefix: str, last: int, *, negated: bool) -> Iterator[tuple[int, int]]:
    """Yield first and last code of each run of characters in (or not in) a category."""
    start: int | None = None
    for first, category in _category_runs(last):
        if category.startswith(prefix) is not negated:
            if start is None:
                start = first
        elif start is not None:
            yield start, first - 1
            start = None
    if start is not None:
        yield start, last


@cache
def _category_runs(last: int) -> list[tuple[int, str]]:
    """Return where each run of characters of one category begins."""
    category = unicodedata.category
    runs: list[tuple[int, str]] = []
    previous = ""
    for code in range(last + 1):
        current = category(chr(code))
        if current != previous:
            runs.append((code, current))
            previous = current
    return runs
