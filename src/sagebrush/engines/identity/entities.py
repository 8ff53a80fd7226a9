"""Entities by account, kind and name, and the links and inline policies between them."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.base.clock import Clock
from sagebrush.base.identifiers import iam_unique_id
from sagebrush.engines.identity.errors import EntityExists, EntityNotFound
from sagebrush.engines.identity.records import Entity
from sagebrush.store.database import Database, Row

ID_PREFIXES = {
    "user": "AIDA",
    "group": "AGPA",
    "role": "AROA",
    "instance-profile": "AIPA",
    "policy": "ANPA",
}


class Entities:
    """Users, groups, roles, instance profiles and managed policies.

    Names are unique whatever their case, and found only in the case they were made with.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def create(
        self, account: str, kind: str, name: str, path: str, document: dict[str, Any]
    ) -> Entity:
        """Return the new entity.

        Raises:
            EntityExists: there is one of that kind and name.
        """
        entity = Entity(
            account, kind, name, path, iam_unique_id(ID_PREFIXES[kind]), self._clock.now(), document
        )
        if self._row(account, kind, name) is not None:
            raise EntityExists(kind, name)
        self._db.execute(
            "INSERT INTO identity_entities VALUES (?, ?, ?, ?, ?, ?, ?)",
            (account, kind, name, path, entity.id, entity.created, _dumps(document)),
        )
        return entity

    def find(self, account: str, kind: str, name: str) -> Entity | None:
        """Return an entity, or None."""
        row = self._row(account, kind, name)
        return _entity(row) if row and row["name"] == name else None

    def get(self, account: str, kind: str, name: str) -> Entity:
        """Return an entity.

        Raises:
            EntityNotFound: there is none of that kind and name.
        """
        if found := self.find(account, kind, name):
            return found
        raise EntityNotFound(kind, name)

    def page(
        self, account: str, kind: str, *, path_prefix: str = "/", after: str = "", limit: int = -1
    ) -> list[Entity]:
        """Return entities in the order of their names, those after the name `after`."""
        rows = self._db.all(
            "SELECT * FROM identity_entities WHERE account = ? AND kind = ? AND name > ?"
            " AND substr(path, 1, ?) = ? ORDER BY name LIMIT ?",
            (account, kind, after, len(path_prefix), path_prefix, limit),
        )
        return [_entity(row) for row in rows]

    def update(
        self,
        entity: Entity,
        *,
        name: str | None = None,
        path: str | None = None,
        document: dict[str, Any] | None = None,
    ) -> Entity:
        """Return the entity as changed; a new name carries its links and inline policies along.

        Raises:
            EntityExists: the new name is taken by another.
        """
        new_name = name or entity.name
        holder = self._row(entity.account, entity.kind, new_name)
        if holder is not None and holder["id"] != entity.id:
            raise EntityExists(entity.kind, new_name)
        self._db.execute(
            "UPDATE identity_entities SET name = ?, path = ?, document = ? WHERE id = ?",
            (
                new_name,
                path or entity.path,
                _dumps(entity.document if document is None else document),
                entity.id,
            ),
        )
        if new_name != entity.name:
            self._rename(entity, new_name)
        return self.get(entity.account, entity.kind, new_name)

    def delete(self, entity: Entity) -> None:
        """Remove an entity; what it is linked with is the caller's business."""
        self._db.execute("DELETE FROM identity_entities WHERE id = ?", (entity.id,))

    def link(self, account: str, kind: str, owner: str, target: str) -> None:
        """Link `owner` to `target`; nothing happens when they are linked."""
        self._db.execute(
            "INSERT OR IGNORE INTO identity_links VALUES (?, ?, ?, ?)",
            (account, kind, owner, target),
        )

    def unlink(self, account: str, kind: str, owner: str, target: str) -> bool:
        """Remove a link; return whether there was one."""
        return (
            self._db.execute(
                "DELETE FROM identity_links WHERE account = ? AND kind = ? AND owner = ?"
                " AND target = ?",
                (account, kind, owner, target),
            ).rowcount
            > 0
        )

    def targets(self, account: str, kind: str, owner: str) -> list[str]:
        """Return what `owner` is linked to, sorted."""
        rows = self._db.all(
            "SELECT target FROM identity_links WHERE account = ? AND kind = ? AND owner = ?"
            " ORDER BY target",
            (account, kind, owner),
        )
        return [row["target"] for row in rows]

    def owners(self, account: str, kind: str, target: str) -> list[str]:
        """Return who is linked to `target`, sorted."""
        rows = self._db.all(
            "SELECT owner FROM identity_links WHERE account = ? AND kind = ? AND target = ?"
            " ORDER BY owner",
            (account, kind, target),
        )
        return [row["owner"] for row in rows]

    def put_inline(self, account: str, kind: str, owner: str, name: str, document: str) -> None:
        """Write an inline policy over the one of that name, if any."""
        self._db.execute(
            "INSERT OR REPLACE INTO identity_inline_policies VALUES (?, ?, ?, ?, ?)",
            (account, kind, owner, name, document),
        )

    def inline(self, account: str, kind: str, owner: str) -> dict[str, str]:
        """Return an entity's inline policies, name to document, sorted by name."""
        rows = self._db.all(
            "SELECT name, document FROM identity_inline_policies WHERE account = ? AND kind = ?"
            " AND owner = ? ORDER BY name",
            (account, kind, owner),
        )
        return {row["name"]: row["document"] for row in rows}

    def delete_inline(self, account: str, kind: str, owner: str, name: str) -> bool:
        """Remove an inline policy; return whether there was one."""
        return (
            self._db.execute(
                "DELETE FROM identity_inline_policies WHERE account = ? AND kind = ?"
                " AND owner = ? AND name = ?",
                (account, kind, owner, name),
            ).rowcount
            > 0
        )

    def _row(self, account: str, kind: str, name: str) -> Row | None:
        return self._db.one(
            "SELECT * FROM identity_entities WHERE account = ? AND kind = ? AND name = ?",
            (account, kind, name),
        )

    def _rename(self, entity: Entity, name: str) -> None:
        self._db.execute(
            "UPDATE identity_links SET owner = ? WHERE account = ? AND owner = ?"
            " AND kind LIKE ? || '-%'",
            (name, entity.account, entity.name, entity.kind),
        )
        self._db.execute(
            "UPDATE identity_links SET target = ? WHERE account = ? AND target = ?"
            " AND kind LIKE '%-' || ?",
            (name, entity.account, entity.name, entity.kind),
        )
        self._db.execute(
            "UPDATE identity_inline_policies SET owner = ? WHERE account = ? AND kind = ?"
            " AND owner = ?",
            (name, entity.account, entity.kind, entity.name),
        )
        if entity.kind == "user":
            self._db.execute(
                "UPDATE identity_keys SET user = ? WHERE account = ? AND user = ?",
                (name, entity.account, entity.name),
            )


def _entity(row: Row) -> Entity:
    return Entity(
        row["account"],
        row["kind"],
        row["name"],
        row["path"],
        row["id"],
        row["created"],
        orjson.loads(row["document"]),
    )


def _dumps(document: dict[str, Any]) -> str:
    return orjson.dumps(document).decode()
