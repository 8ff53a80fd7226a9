CREATE TABLE ecr_repositories (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    -- Settings, tags, repository policy, lifecycle policy.
    document TEXT NOT NULL,
    UNIQUE (account, region, name)
);

CREATE TABLE ecr_images (
    repository_id INTEGER NOT NULL REFERENCES ecr_repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    manifest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes INTEGER,
    pushed REAL NOT NULL,
    pulled REAL,
    PRIMARY KEY (repository_id, digest)
);

CREATE TABLE ecr_tags (
    repository_id INTEGER NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository_id, tag),
    FOREIGN KEY (repository_id, digest)
        REFERENCES ecr_images (repository_id, digest) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX ecr_tags_by_digest ON ecr_tags (repository_id, digest);

-- Layers a repository has; their bytes are files named by digest, shared by all repositories.
CREATE TABLE ecr_layers (
    repository_id INTEGER NOT NULL REFERENCES ecr_repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)
) WITHOUT ROWID;

CREATE INDEX ecr_layers_by_digest ON ecr_layers (digest);

CREATE TABLE ecr_uploads (
    id TEXT PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES ecr_repositories (id) ON DELETE CASCADE,
    received_bytes INTEGER NOT NULL,
    started REAL NOT NULL
) WITHOUT ROWID;
