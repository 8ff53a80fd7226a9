"""The services behind the gateway: declarations at start, handlers on their first request."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from sagebrush.base.errors import SagebrushError
from sagebrush.services import SERVICES
from sagebrush.services.declaration import Handler, PromptHandler, Service
from sagebrush.services.pages import is_paged, with_bound_tokens
from sagebrush.wire import load

_PROMPT_PREFIX = "begin_"


class DeclarationError(SagebrushError):
    """A service folder declares something that the model does not have."""


class Registry:
    """Finds the function that carries an operation out."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._handlers: dict[str, dict[str, Handler]] = {}
        self._places: dict[str, dict[str, str]] = {}

    def service(self, name: str) -> Service | None:
        """Return the declaration of a service, or None when there is none."""
        declared = self._services.get(name)
        if declared is None and name in SERVICES:
            module = importlib.import_module(SERVICES[name])
            declared = self._services[name] = module.SERVICE
        return declared

    def services(self) -> Iterator[Service]:
        """Yield every declaration."""
        for name in SERVICES:
            declared = self.service(name)
            if declared is not None:
                yield declared

    def handler(self, service: str, operation: str) -> Handler | None:
        """Return the handler of an operation, or None when it is not supported."""
        name = snake_case(operation)
        handlers = self._handlers.setdefault(service, {})
        if name not in handlers:
            module = self._modules(service).get(name)
            if module is None:
                return None
            # Only what this operation needs: a service's first answer waits for no other's modules.
            found = getattr(importlib.import_module(module), name)
            model = load(service).operations[operation].input
            paged = model is not None and is_paged(model.members)
            handlers[name] = with_bound_tokens(found) if paged else found
        return handlers[name]

    def prompt_handler(self, service: str, operation: str) -> PromptHandler | None:
        """Return the short form of an operation's handler, or None when it has none."""
        name = snake_case(operation)
        module = self._modules(service).get(name)
        if module is None:
            return None
        found: PromptHandler | None = getattr(
            importlib.import_module(module), _PROMPT_PREFIX + name, None
        )
        return found

    def _modules(self, service: str) -> dict[str, str]:
        """Return the module of each handler of a service."""
        found = self._places.get(service)
        if found is None:
            declared = self.service(service)
            found = self._places[service] = {} if declared is None else _places(declared)
        return found

    def supported(self) -> dict[str, list[str]]:
        """Return the handlers' names by service, read from the sources without importing them."""
        return {
            declared.name: sorted(
                name
                for module in declared.modules
                for name in _public_functions(module)
                if not name.startswith(_PROMPT_PREFIX)
            )
            for declared in self.services()
        }


def _places(declared: Service) -> dict[str, str]:
    operations = {snake_case(name) for name in load(declared.name).operations}
    places: dict[str, str] = {}
    for dotted in declared.modules:
        for name in _public_functions(dotted):
            if name in places:
                raise DeclarationError(f"{declared.name}: two handlers are called {name}")
            if name not in operations and name.removeprefix(_PROMPT_PREFIX) in operations:
                continue
            if name not in operations:
                raise DeclarationError(f"{dotted}.{name} is no operation of {declared.name}")
            places[name] = dotted
    return places


def _public_functions(dotted: str) -> list[str]:
    """Return the names of a module's own public functions, without importing it."""
    specification = importlib.util.find_spec(dotted)
    if specification is None or specification.origin is None:
        raise DeclarationError(f"no module {dotted}")
    return _FUNCTION.findall(Path(specification.origin).read_text("utf-8"))


_FUNCTION = re.compile(r"^(?:async )?def ([a-z]\w*)\(", re.MULTILINE)
_PLURAL_ACRONYM = re.compile(r"[A-Z]{2,}s$")
_WORD = re.compile(r"(.)([A-Z][a-z]+)")
_CAPITAL = re.compile(r"([a-z0-9])([A-Z])")
_names: dict[str, str] = {}


def snake_case(operation: str) -> str:
    """Return the name AWS's Python SDK gives an operation (`ListObjectsV2`: `list_objects_v2`)."""
    name = _names.get(operation)
    if name is None:
        # The one word in our services' operations that the rule would split.
        text, ending = operation.replace("OTel", "Otel"), ""
        if plural := _PLURAL_ACRONYM.search(operation):
            text, ending = text[: plural.start()], "_" + plural.group().lower()
        text = _CAPITAL.sub(r"\1_\2", _WORD.sub(r"\1_\2", text))
        name = _names[operation] = (text.lower() + ending).lstrip("_")
    return name
