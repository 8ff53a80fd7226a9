"""The kinds of hyperparameters: how each reads its string and describes its range."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

LARGEST_FLOAT32 = 3.4028234663852886e38
_TRUE = {"true", "1", "yes", "t", "y"}
_FALSE = {"false", "0", "no", "f", "n"}


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What every field may declare.

    ``words`` are literal strings accepted beside the type and kept as strings (``auto``,
    ``balanced``); ``aliases`` are other names of the field; ``hidden`` leaves it out of
    descriptions; ``tune_low`` and ``tune_high`` bound a tuning job's range.
    """

    default: Any = None
    required: bool = False
    tunable: bool = False
    words: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    hidden: bool = False
    description: str = ""
    tune_low: float | None = None
    tune_high: float | None = None


@dataclass(frozen=True)
class _Named:
    name: str


@dataclass(frozen=True)
class Field(_Options, _Named):
    """One hyperparameter; subclasses say how its text is read."""

    kind = "FreeText"

    def parse(self, text: str) -> Any:
        """The value the text stands for; ValueError if it is none of the field's."""
        return text if text in self.words else self.read(text)

    def read(self, text: str) -> Any:
        """The value of a text that is not one of the field's words."""
        return text

    def expectation(self) -> str:
        """What the field accepts, for the message that refuses something else."""
        kinds = [*(repr(word) for word in self.words), self.expected()]
        return kinds[0] if len(kinds) == 1 else "one of the following: " + "; ".join(kinds)

    def expected(self) -> str:
        """What the field accepts beside its words."""
        return "a string"

    def violation(self, text: str) -> str:
        """The sentence of a JSON-schema validator about a text that was refused."""
        if self.words:
            return f"{text!r} is not valid under any of the given schemas"
        return f"{text!r} is not {self.expected()}"

    def describe(self) -> dict[str, Any]:
        """The field in the shape of SageMaker's HyperParameterSpecification."""
        specification: dict[str, Any] = {
            "Name": self.name,
            "Type": self.kind,
            "IsTunable": self.tunable,
            "IsRequired": self.required,
        }
        if self.description:
            specification["Description"] = self.description
        if self.default is not None:
            specification["DefaultValue"] = _as_text(self.default)
        allowed = self.range()
        if allowed is not None:
            specification["Range"] = allowed
        return specification

    def range(self) -> dict[str, Any] | None:
        """The field's range in the shape of SageMaker's ParameterRange, or None if it has none."""
        return None


@dataclass(frozen=True)
class Text(Field):
    """Free text."""


@dataclass(frozen=True)
class _Number(Field):
    """A number in an interval; ``low_open`` and ``high_open`` exclude the bounds themselves.

    No number is larger than ``largest``, which is what the algorithms can compute with.
    """

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    noun = "a number"
    range_name = "ContinuousParameterRangeSpecification"
    largest: ClassVar[float]

    def read(self, text: str) -> float:
        value = self.number(text)
        if not self.contains(value):
            raise ValueError(text)
        return value

    def number(self, text: str) -> float:
        """The number the text spells, whatever the interval; ValueError if it spells none."""
        return float(_plain(text))

    def contains(self, value: float) -> bool:
        """Whether the value lies in the field's interval; NaN and infinities never do."""
        if not math.isfinite(value) or abs(value) > self.largest:
            return False
        if self.low is not None and (value < self.low or (self.low_open and value == self.low)):
            return False
        return self.high is None or value < self.high or (value == self.high and not self.high_open)

    def expected(self) -> str:
        bounds = []
        if self.low is not None:
            bounds.append(f"greater than {'' if self.low_open else 'or equal to '}{self.low}")
        if self.high is not None:
            bounds.append(f"less than {'' if self.high_open else 'or equal to '}{self.high}")
        return " ".join([self.noun, " and ".join(bounds)]).strip()

    def violation(self, text: str) -> str:
        try:
            value = self.number(text)
        except ValueError:
            return super().violation(text)
        if not math.isfinite(value) or (self.words and abs(value) <= self.largest):
            return super().violation(text)
        if self.low is not None and value <= self.low:
            relation = "is less than or equal to" if self.low_open else "is less than"
            return f"{text} {relation} the minimum of {self.low}"
        if self.high is not None and value >= self.high:
            relation = "is greater than or equal to" if self.high_open else "is greater than"
            return f"{text} {relation} the maximum of {self.high}"
        if value < 0:
            return f"{text} is less than the minimum of {-self.largest}"
        return f"{text} is greater than the maximum of {self.largest}"

    def range(self) -> dict[str, Any] | None:
        low = self.low if self.tune_low is None else self.tune_low
        high = self.high if self.tune_high is None else self.tune_high
        if low is None or high is None:
            return None
        return {self.range_name: {"MinValue": _as_text(low), "MaxValue": _as_text(high)}}


@dataclass(frozen=True)
class Integer(_Number):
    """A whole number."""

    kind = "Integer"
    noun = "an integer"
    largest = 2**63 - 1
    range_name = "IntegerParameterRangeSpecification"

    def number(self, text: str) -> int:
        try:
            return int(_plain(text))
        except ValueError:
            value = float(_plain(text))
            if not value.is_integer():
                raise
            return int(value)


@dataclass(frozen=True)
class Continuous(_Number):
    """A real number."""

    kind = "Continuous"
    noun = "a float"
    largest = LARGEST_FLOAT32


@dataclass(frozen=True)
class Categorical(Field):
    """One of a few strings."""

    choices: tuple[str, ...] = ()

    kind = "Categorical"

    def read(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError(text)
        return text

    def expectation(self) -> str:
        listed = ", ".join(repr(choice) for choice in (*self.words, *self.choices))
        return f"one of the following: {listed}"

    def violation(self, text: str) -> str:
        return f"{text!r} is not one of {[*self.words, *self.choices]!r}"

    def range(self) -> dict[str, Any]:
        return {"CategoricalParameterRangeSpecification": {"Values": [*self.words, *self.choices]}}


@dataclass(frozen=True)
class Boolean(Field):
    """True or false in any of the usual spellings."""

    kind = "Categorical"

    def read(self, text: str) -> bool:
        spelled = text.strip().lower()
        if spelled in _TRUE:
            return True
        if spelled in _FALSE:
            return False
        raise ValueError(text)

    def expected(self) -> str:
        return "a boolean ('true' or 'false')"

    def range(self) -> dict[str, Any]:
        return {
            "CategoricalParameterRangeSpecification": {"Values": [*self.words, "true", "false"]}
        }


@dataclass(frozen=True)
class Json(Field):
    """A JSON document, such as a list; ``check`` raises ValueError for a wrong one."""

    check: Callable[[Any], Any] | None = None
    noun: str = "a JSON list"

    def read(self, text: str) -> Any:
        value = json.loads(text)
        return value if self.check is None else self.check(value)

    def expected(self) -> str:
        return self.noun

    def syntax_error(self, text: str) -> str:
        """Why the text is no JSON at all, empty if it is."""
        try:
            json.loads(text)
        except ValueError as error:
            return str(error)
        return ""


def _plain(text: str) -> str:
    """The text, unless it groups digits as only Python does."""
    if "_" in text:
        raise ValueError(text)
    return text


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)
