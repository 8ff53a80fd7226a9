CREATE TABLE topics_topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    settings TEXT NOT NULL,
    attributes TEXT NOT NULL,
    tags TEXT NOT NULL,
    -- Of a FIFO topic: the number of its last message.
    number INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, region, name)
);

CREATE TABLE topics_subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    topic_id INTEGER NOT NULL REFERENCES topics_topics (id) ON DELETE CASCADE,
    owner TEXT NOT NULL,
    protocol TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    -- Null once its owner has confirmed it.
    token TEXT,
    created REAL NOT NULL,
    settings TEXT NOT NULL,
    attributes TEXT NOT NULL,
    UNIQUE (topic_id, protocol, endpoint)
);

-- What is still to be delivered; a row goes when its notice has arrived or is given up.
CREATE TABLE topics_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id INTEGER NOT NULL REFERENCES topics_subscriptions (id) ON DELETE CASCADE,
    notice TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL
);

CREATE INDEX topics_deliveries_by_due ON topics_deliveries (subscription_id, due, id);

CREATE TABLE topics_deduplication (
    topic_id INTEGER NOT NULL REFERENCES topics_topics (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    deduplication_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sent REAL NOT NULL,
    PRIMARY KEY (topic_id, scope, deduplication_id)
) WITHOUT ROWID;
