"""Declared hyperparameters: strings in, typed values or the service's error message out.

A schema lists fields; every value reaches a job as a string, lists and objects as JSON text.
The wording of refusals belongs to the image family, so a schema carries a `Wording`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Field, Json

Rule = Callable[[dict[str, Any]], None]

_BAD_INPUT = (
    "Unable to initialize the algorithm. Failed to validate input data configuration. "
    "(caused by ValidationError)\n\n"
)


class Wording:
    """The messages of the first-party images, which are those of a JSON-schema validator.

    Subclass it for an image family that words its refusals otherwise; each method returns the
    whole message of the ClientError.
    """

    def missing(self, names: list[str]) -> str:
        """Required hyperparameters were not given."""
        listed = ", ".join(repr(name) for name in names)
        return (
            f"No value(s) were specified for {listed} which are required hyperparameter(s) "
            f"(caused by ValidationError)\n\n"
            f"Caused by: {names[0]!r} is a required property"
        )

    def unknown(self, names: list[str]) -> str:
        """Hyperparameters were given that the algorithm does not have."""
        listed = ", ".join(repr(name) for name in names)
        verb = "was" if len(names) == 1 else "were"
        return (
            f"Additional hyperparameters are not allowed ({listed} {verb} unexpected) "
            f"(caused by ValidationError)\n\n"
            f"Caused by: Additional properties are not allowed ({listed} {verb} unexpected)"
        )

    def invalid(self, field: Field, text: str) -> str:
        """A value does not have the field's type or lies outside its range."""
        if isinstance(field, Json) and (reason := field.syntax_error(text)):
            return (
                f"Hyperparameter must be valid json, but found {field.name}: {text} "
                f"(caused by ValueError)\n\nCaused by: {reason}"
            )
        return (
            f"The value {text!r} is not valid for the {field.name!r} hyperparameter which expects "
            f"{field.expectation()} (caused by ValidationError)\n\n"
            f"Caused by: {field.violation(text)}"
        )

    def missing_channel(self, name: str) -> str:
        """A required channel was not given."""
        return f"{_BAD_INPUT}Caused by: {name!r} is a required property"

    def unknown_channel(self, name: str) -> str:
        """A channel was given that the algorithm does not have."""
        return (
            f"{_BAD_INPUT}Caused by: Additional properties are not allowed "
            f"({name!r} was unexpected)"
        )

    def invalid_channel(
        self, channel: str, setting: str, value: str, allowed: tuple[str, ...]
    ) -> str:
        """A channel's ContentType, TrainingInputMode or S3DistributionType is not supported."""
        if setting == "ContentType":
            return f"No iterator has been registered for ContentType {(value, '1.0')!r}"
        return (
            f"{_BAD_INPUT}Caused by: {value!r} is not one of {list(allowed)!r}\n\n"
            f"On instance[{channel!r}][{setting!r}]:\n    {value!r}"
        )

    def not_distributed(self, hosts: int) -> str:
        """More than one instance was asked for and the algorithm trains on one only."""
        return f"The algorithm does not support distributed training, but has {hosts} hosts."


@dataclass(frozen=True)
class Schema:
    """The hyperparameters of one algorithm.

    ``rules`` run on the parsed values, see every field (None when not given and without default)
    and raise ClientError; they may also fill in values that follow from others.
    """

    fields: tuple[Field, ...]
    rules: tuple[Rule, ...] = ()
    wording: Wording = field(default_factory=Wording)
    underscore_names_accepted: bool = True

    def parse(self, strings: Mapping[str, str]) -> dict[str, Any]:
        """Every field's value by name: the parsed string, else the default, else None.

        An alias counts as its field. Raises ClientError in the wording of the image family for
        unknown names, missing required ones, bad values and broken rules.
        """
        given = self._by_field(strings)
        missing = [
            field.name for field in self.fields if field.required and field.name not in given
        ]
        if missing:
            raise ClientError(self.wording.missing(missing))
        values = {item.name: self._value(item, given.get(item.name)) for item in self.fields}
        for rule in self.rules:
            rule(values)
        return values

    def describe(self) -> list[dict[str, Any]]:
        """The visible fields in the shape of SageMaker's HyperParameterSpecification."""
        return [item.describe() for item in self.fields if not item.hidden]

    def field(self, name: str) -> Field:
        """The field of that name or alias; KeyError if there is none."""
        return self._names()[name]

    def _names(self) -> dict[str, Field]:
        names: dict[str, Field] = {}
        for declared in self.fields:
            names.update((name, declared) for name in (declared.name, *declared.aliases))
        return names

    def _by_field(self, strings: Mapping[str, str]) -> dict[str, str]:
        names = self._names()
        unknown = sorted(self._unknown(strings, names))
        if unknown:
            raise ClientError(self.wording.unknown(unknown))
        return {names[name].name: text for name, text in strings.items() if name in names}

    def _unknown(self, strings: Iterable[str], known: Mapping[str, Field]) -> Iterable[str]:
        for name in strings:
            tolerated = self.underscore_names_accepted and name.startswith("_")
            if name not in known and not tolerated:
                yield name

    def _value(self, declared: Field, text: str | None) -> Any:
        if text is None:
            return declared.default
        try:
            return declared.parse(text)
        except ValueError as error:
            raise ClientError(self.wording.invalid(declared, text)) from error
