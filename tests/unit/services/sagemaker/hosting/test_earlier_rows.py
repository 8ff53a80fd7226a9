"""Rows of an earlier release: an update that was under way then goes on."""

from __future__ import annotations

import json
import sqlite3

from sagebrush.services.sagemaker.service import SERVICE


def test_an_update_of_an_earlier_release_begins_anew() -> None:
    assert SERVICE.migrations is not None
    script = (SERVICE.migrations / "0410_deployments.sql").read_text("utf-8")
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE sagemaker_hosting (kind TEXT, name TEXT, state BLOB)")
    still = {"generation": 1, "variants": [{"weight": 1.0, "count": 2}]}
    target = {"generation": 2, "begun": 5.5, "variants": [{"weight": 2.0}, {"weight": 0.5}]}
    rows = {"still": still, "updated": still | {"target": target}}
    for name, state in rows.items():
        database.execute(
            "INSERT INTO sagemaker_hosting VALUES ('endpoint', ?, ?)",
            (name, json.dumps(state).encode()),
        )
    database.executescript(script)
    found = dict(database.execute("SELECT name, state FROM sagemaker_hosting").fetchall())
    assert json.loads(found["still"]) == still
    updated = json.loads(found["updated"])
    assert updated["variants"] == still["variants"]
    assert updated["target"] == target | {
        "variants": [{"weight": 2.0, "share": 0.0}, {"weight": 0.5, "share": 0.0}]
    }
    assert updated["deployment"] == {
        "policy": {},
        "phase": "Creating",
        "stage": 0,
        "since": 5.5,
        "deadline": None,
    }
