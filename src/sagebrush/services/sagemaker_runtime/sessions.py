"""Stateful sessions: later requests of one go to the instance that opened it.

The model opens a session, names it and says when it expires; it closes it, too. Source: the guide
page "Stateful sessions with Amazon SageMaker models".
"""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import Answer
from sagebrush.services.platform import Context
from sagebrush.wire.timestamps import parse_timestamp

SESSION_HEADER = "x-amzn-sagemaker-session-id"
_NEW = "NEW_SESSION"
_OPENED_HEADER = "x-amzn-sagemaker-new-session-id"
_CLOSED_HEADER = "x-amzn-sagemaker-closed-session-id"


def instance_of_session(context: Context, request: dict[str, Any]) -> str | None:
    """Return the key of the instance that a request has to go to; None when any will do.

    Raises:
        ApiError: ValidationError when there is no such session, or it has expired.
    """
    session = request.get("SessionId")
    if session is None or session == _NEW:
        return None
    row = context.db.one(
        "SELECT instance FROM sagemaker_runtime_sessions"
        " WHERE address = ? AND session_id = ? AND (expires IS NULL OR expires > ?)",
        (_address(context, request), session, context.now),
    )
    if row is None:
        raise no_session(session, request["EndpointName"])
    key: str = row["instance"]
    return key


def no_session(session: str, endpoint: str) -> ApiError:
    """Return the error of a request for a session that there is not, or no longer."""
    return ApiError(
        "ValidationError",
        f"Session {session} is not found in endpoint {endpoint}, or has expired. Open another with"
        f" the session id {_NEW}.",
    )


def note_session(
    context: Context, request: dict[str, Any], instance: str, answer: Answer
) -> dict[str, Any]:
    """Remember or forget the session that an answer opens or closes; return what is told of it."""
    opened = answer.headers.get(_OPENED_HEADER)
    closed = answer.headers.get(_CLOSED_HEADER)
    address = _address(context, request)
    with context.db.transaction():
        if opened is not None:
            session, _, rest = opened.partition(";")
            context.db.execute(
                "DELETE FROM sagemaker_runtime_sessions WHERE expires <= ?", (context.now,)
            )
            context.db.execute(
                "INSERT OR REPLACE INTO sagemaker_runtime_sessions VALUES (?, ?, ?, ?)",
                (address, session.strip(), instance, _expiry(rest)),
            )
        if closed is not None:
            context.db.execute(
                "DELETE FROM sagemaker_runtime_sessions WHERE address = ? AND session_id = ?",
                (address, closed),
            )
    return {"NewSessionId": opened, "ClosedSessionId": closed}


def _expiry(attributes: str) -> float | None:
    """Return the moment in `Expires=...`; None where the model gives none that can be read."""
    name, _, value = attributes.strip().partition("=")
    if name.lower() != "expires":
        return None
    try:
        return parse_timestamp(value.strip())
    except ValueError:
        return None


def _address(context: Context, request: dict[str, Any]) -> str:
    return f"{context.account}/{context.region}/{request['EndpointName']}"
