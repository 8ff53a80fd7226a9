"""Long-lived access keys and temporary sessions."""

from __future__ import annotations

import secrets
import string

import orjson

from sagebrush.base.clock import Clock, SystemClock
from sagebrush.base.identifiers import iam_unique_id
from sagebrush.engines.identity.records import AccessKey, Credential, Session
from sagebrush.store.database import Database

_SECRET_CHARACTERS = string.ascii_letters + string.digits + "+/"


class Credentials:
    """Everything a request can be signed with."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        # Clients renew their sessions by their own clocks, however the server's runs.
        self.machine_clock: Clock = SystemClock()

    def create_key(self, account: str, user: str | None) -> AccessKey:
        """Return a new active key of a user, or of the account's root."""
        key = AccessKey(
            iam_unique_id("AKIA"), account, user, _new_secret(), "Active", self._clock.now()
        )
        self._db.execute(
            "INSERT INTO identity_keys VALUES (?, ?, ?, ?, ?, ?)",
            (key.access_key, account, user, key.secret, key.status, key.created),
        )
        return key

    def key(self, access_key: str) -> AccessKey | None:
        """Return a long-lived key, or None."""
        row = self._db.one("SELECT * FROM identity_keys WHERE access_key = ?", (access_key,))
        return AccessKey(*row) if row else None

    def keys(self, account: str, user: str | None) -> list[AccessKey]:
        """Return the keys of a user (None: of root), oldest first."""
        rows = self._db.all(
            "SELECT * FROM identity_keys WHERE account = ? AND user IS ? ORDER BY created",
            (account, user),
        )
        return [AccessKey(*row) for row in rows]

    def set_status(self, access_key: str, status: str) -> None:
        """Make a key `Active` or `Inactive`."""
        self._db.execute(
            "UPDATE identity_keys SET status = ? WHERE access_key = ?", (status, access_key)
        )

    def delete_key(self, access_key: str) -> None:
        """Remove a long-lived key."""
        self._db.execute("DELETE FROM identity_keys WHERE access_key = ?", (access_key,))

    def create_session(
        self,
        account: str,
        *,
        arn: str,
        user_id: str,
        source_kind: str,
        source_name: str,
        duration_s: float,
        policies: list[str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> Session:
        """Return new temporary credentials, by real time; those that have expired are dropped."""
        now = self.machine_clock.now()
        session = Session(
            iam_unique_id("ASIA"),
            account,
            _new_secret(),
            secrets.token_urlsafe(180),
            arn,
            user_id,
            source_kind,
            source_name,
            now,
            now + duration_s,
            policies or [],
            tags or {},
        )
        # A day later nobody asks any more whether a key has expired or never was.
        self._db.execute("DELETE FROM identity_sessions WHERE expires < ?", (now - 86_400,))
        self._db.execute(
            "INSERT INTO identity_sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                session.access_key,
                account,
                session.secret,
                session.token,
                arn,
                user_id,
                source_kind,
                source_name,
                now,
                session.expires,
                orjson.dumps(session.policies).decode(),
                orjson.dumps(session.tags).decode(),
            ),
        )
        return session

    def session(self, access_key: str) -> Session | None:
        """Return temporary credentials, expired or not, or None."""
        row = self._db.one("SELECT * FROM identity_sessions WHERE access_key = ?", (access_key,))
        if row is None:
            return None
        values = dict(row)
        values["policies"] = orjson.loads(values["policies"])
        values["tags"] = orjson.loads(values["tags"])
        return Session(**values)

    def credential(self, access_key: str) -> Credential | None:
        """Return what a signature by `access_key` is checked with, or None for an unknown key."""
        if key := self.key(access_key):
            return Credential(key.secret, key.account, key.status == "Active", None, None)
        if session := self.session(access_key):
            return Credential(session.secret, session.account, True, session.token, session.expires)
        return None


def _new_secret() -> str:
    return "".join(secrets.choice(_SECRET_CHARACTERS) for _ in range(40))
