"""Content-Type and Accept values with their parameters."""

from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True)
class MediaType:
    """A media type: its lower-case name and its parameters, names lower-case too."""

    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """One media type such as ``text/csv; label_size=1``."""
        return _parse(text)

    def flag(self, name: str) -> bool:
        """Whether a parameter such as ``verbose=true`` is set."""
        return self.parameters.get(name, "").lower() in {"true", "1"}


@lru_cache(maxsize=256)
def _parse(text: str) -> MediaType:
    name, *rest = text.split(";")
    parameters = {}
    quality = 1.0
    for parameter in rest:
        key, separator, value = parameter.partition("=")
        key, value = key.strip().lower(), value.strip().strip('"')
        if key == "q" and separator:
            quality = _quality(value)
        elif key:
            parameters[key] = value
    return MediaType(name.strip().lower(), parameters, quality)


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0


@lru_cache(maxsize=256)
def negotiate(accept: str, offered: tuple[str, ...], default: str) -> MediaType | None:
    """The media type to answer with, parameters of the Accept value kept; None if none fits.

    An empty Accept and ``*/*`` mean ``default``. Among several values the highest quality wins,
    then the earlier one.
    """
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return _parse(default)
    for media in sorted(ranges, key=lambda media: -media.quality):
        if media.quality == 0:
            continue
        match = _match(media.name, offered, default)
        if match is not None:
            return MediaType(match, media.parameters)
    return None


def _match(name: str, offered: tuple[str, ...], default: str) -> str | None:
    if name in offered:
        return name
    if name in ("*/*", "*"):
        return default
    if name.endswith("/*"):
        family = name[:-1]
        preferred = (default, *offered)
        return next((media for media in preferred if media.startswith(family)), None)
    return None
