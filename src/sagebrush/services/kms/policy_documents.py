"""What a key policy must be."""

from __future__ import annotations

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import PolicyDocument, PolicyMalformed


def check_policy(text: str) -> str:
    """Return a key policy's text, or refuse it with MalformedPolicyDocumentException."""
    try:
        PolicyDocument.resource(text)
    except PolicyMalformed as error:
        raise ApiError("MalformedPolicyDocumentException", str(error)) from None
    return text
