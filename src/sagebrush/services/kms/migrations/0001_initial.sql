CREATE TABLE kms_keys (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    deletion REAL,
    -- What describes the key: spec, usage, description, policy, tags, rotation.
    document TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX kms_keys_by_region ON kms_keys (account, region, id);

CREATE INDEX kms_keys_by_deletion ON kms_keys (deletion) WHERE deletion IS NOT NULL;

-- The secret of a key, sealed with the master key; rotation adds numbers, the last is in force.
CREATE TABLE kms_materials (
    key_id TEXT NOT NULL REFERENCES kms_keys (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created REAL NOT NULL,
    -- AUTOMATIC or ON_DEMAND; empty for the first.
    rotation TEXT NOT NULL,
    PRIMARY KEY (key_id, number)
) WITHOUT ROWID;

CREATE TABLE kms_aliases (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES kms_keys (id) ON DELETE CASCADE,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID;

CREATE TABLE kms_grants (
    key_id TEXT NOT NULL REFERENCES kms_keys (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    request TEXT NOT NULL,
    PRIMARY KEY (key_id, id)
) WITHOUT ROWID;
