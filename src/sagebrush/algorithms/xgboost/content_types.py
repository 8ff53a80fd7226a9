"""Which of the four data formats a ContentType names."""

from sagebrush.algorithms.xgboost.vocabulary import CONTENT_TYPE_NAMES, CSV, LIBSVM


def data_format(content_type: str | None) -> str:
    """The format's full name; none given means libsvm.

    ValueError, in the image's words, for an unknown one and for CSV whose ``label_size`` is not 1.
    """
    if content_type is None:
        return LIBSVM
    name, parameters = parse_media_type(content_type)
    found = CONTENT_TYPE_NAMES.get(name)
    if found is None:
        accepted = ", ".join(CONTENT_TYPE_NAMES)
        raise ValueError(f"{content_type} is not an accepted ContentType: {accepted}.")
    if found == CSV and parameters.get("label_size", "1") != "1":
        raise ValueError(
            f"{content_type} is not an accepted csv ContentType. "
            "Optional parameter label_size must be equal to 1"
        )
    return found


def parse_media_type(header: str) -> tuple[str, dict[str, str]]:
    """The lower-case media type of a header and its parameters."""
    name, *parts = header.lower().split(";")
    pairs = (part.partition("=") for part in parts)
    return name.strip(), {key.strip(): value.strip().strip('"') for key, _, value in pairs}
