CREATE TABLE queues_queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    modified REAL NOT NULL,
    purged REAL NOT NULL DEFAULT 0,
    settings TEXT NOT NULL,
    attributes TEXT NOT NULL,
    tags TEXT NOT NULL,
    UNIQUE (account, region, name)
);

-- The number never comes again, so that it orders messages and tells receipts of deleted ones.
CREATE TABLE queues_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_id INTEGER NOT NULL REFERENCES queues_queues (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    system TEXT NOT NULL,
    group_id TEXT,
    deduplication_id TEXT,
    sent REAL NOT NULL,
    visible REAL NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0,
    first_received REAL,
    received REAL,
    receipt TEXT
);

CREATE INDEX queues_messages_by_visibility ON queues_messages (queue_id, visible, id);
CREATE INDEX queues_messages_by_group ON queues_messages (queue_id, group_id, id)
    WHERE group_id IS NOT NULL;

-- What was sent within the last minutes: a repetition is answered with the first one's numbers.
CREATE TABLE queues_deduplication (
    queue_id INTEGER NOT NULL REFERENCES queues_queues (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    deduplication_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sent REAL NOT NULL,
    PRIMARY KEY (queue_id, scope, deduplication_id)
) WITHOUT ROWID;
