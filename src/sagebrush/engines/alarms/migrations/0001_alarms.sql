CREATE TABLE alarms_alarms (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    configuration TEXT NOT NULL,
    interval_s INTEGER,
    actions_enabled INTEGER NOT NULL,
    tags TEXT NOT NULL,
    configured REAL NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    reason_data TEXT,
    updated REAL NOT NULL,
    transitioned REAL NOT NULL,
    evaluation_state TEXT,
    suppressed_by TEXT,
    suppressed_until REAL,
    suppressed_from TEXT,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID;

CREATE INDEX alarms_by_kind ON alarms_alarms (kind, account, region);
CREATE INDEX alarms_by_interval ON alarms_alarms (interval_s) WHERE interval_s IS NOT NULL;
CREATE INDEX alarms_by_release ON alarms_alarms (suppressed_until)
    WHERE suppressed_until IS NOT NULL;

CREATE TABLE alarms_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    time REAL NOT NULL,
    type TEXT NOT NULL,
    summary TEXT NOT NULL,
    data TEXT NOT NULL
);

CREATE INDEX alarms_history_by_name ON alarms_history (account, region, name, time);
CREATE INDEX alarms_history_by_time ON alarms_history (time);

CREATE TABLE alarms_pending (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    arn TEXT NOT NULL,
    alarm TEXT NOT NULL,
    old_state TEXT NOT NULL
);
