CREATE TABLE logs_groups (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    retention_days INTEGER,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    document TEXT NOT NULL,
    UNIQUE (account, region, name)
);

CREATE TABLE logs_streams (
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL REFERENCES logs_groups (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    first_event_ms INTEGER,
    last_event_ms INTEGER NOT NULL DEFAULT 0,
    last_ingestion_ms INTEGER,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    next_position INTEGER NOT NULL DEFAULT 0,
    UNIQUE (group_id, name)
);

CREATE INDEX logs_streams_by_last_event ON logs_streams (group_id, last_event_ms, name);

CREATE TABLE logs_events (
    stream_id INTEGER NOT NULL REFERENCES logs_streams (id) ON DELETE CASCADE,
    timestamp_ms INTEGER NOT NULL,
    position INTEGER NOT NULL,
    ingested_ms INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (stream_id, timestamp_ms, position)
) WITHOUT ROWID;
