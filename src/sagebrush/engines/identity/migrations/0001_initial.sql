-- Usual roles that have been made once: deleting one does not bring it back.
CREATE TABLE identity_provided (
    account TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (account, role)
) WITHOUT ROWID;

CREATE TABLE identity_entities (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    path TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (account, kind, name)
) WITHOUT ROWID;

-- Policies attached to, groups joined by, and roles held by an entity.
CREATE TABLE identity_links (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (account, kind, owner, target)
) WITHOUT ROWID;

CREATE INDEX identity_links_by_target ON identity_links (account, target, kind);

CREATE TABLE identity_inline_policies (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (account, kind, owner, name)
) WITHOUT ROWID;

CREATE TABLE identity_policy_versions (
    account TEXT NOT NULL,
    policy TEXT NOT NULL,
    number INTEGER NOT NULL,
    document TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (account, policy, number)
) WITHOUT ROWID;

CREATE TABLE identity_keys (
    access_key TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    user TEXT,
    secret TEXT NOT NULL,
    status TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX identity_keys_by_user ON identity_keys (account, user);

CREATE TABLE identity_sessions (
    access_key TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    secret TEXT NOT NULL,
    token TEXT NOT NULL,
    arn TEXT NOT NULL,
    user_id TEXT NOT NULL,
    source_kind TEXT NOT NULL,
    source_name TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    policies TEXT NOT NULL,
    tags TEXT NOT NULL
) WITHOUT ROWID;
