-- Buckets share one name space, as they do on AWS.
CREATE TABLE objects_buckets (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  created REAL NOT NULL,
  versioning TEXT NOT NULL DEFAULT '',
  object_lock INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX objects_buckets_account ON objects_buckets (account, name);

-- One row per version. The higher id is the newer version of a key; `live` marks the newest one
-- when it is no delete marker, so that listing reads one index in key order.
CREATE TABLE objects_versions (
  id INTEGER PRIMARY KEY,
  bucket INTEGER NOT NULL REFERENCES objects_buckets (id),
  key TEXT NOT NULL,
  version_id TEXT NOT NULL,
  live INTEGER NOT NULL,
  delete_marker INTEGER NOT NULL DEFAULT 0,
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  modified REAL NOT NULL,
  file TEXT,
  file_offset INTEGER NOT NULL DEFAULT 0,
  attributes BLOB NOT NULL,
  annotations BLOB
);
CREATE UNIQUE INDEX objects_versions_live ON objects_versions (bucket, key) WHERE live = 1;
CREATE INDEX objects_versions_history ON objects_versions (bucket, key, id DESC);
CREATE INDEX objects_versions_file ON objects_versions (file) WHERE file IS NOT NULL;

-- Small contents lie here, apart from the rows that listings read.
CREATE TABLE objects_contents (
  id INTEGER PRIMARY KEY REFERENCES objects_versions (id) ON DELETE CASCADE,
  content BLOB NOT NULL
);

-- Sizes and checksums of the parts of an object that was uploaded in parts.
CREATE TABLE objects_version_parts (
  id INTEGER PRIMARY KEY REFERENCES objects_versions (id) ON DELETE CASCADE,
  parts BLOB NOT NULL
);

CREATE TABLE objects_uploads (
  upload_id TEXT PRIMARY KEY,
  bucket INTEGER NOT NULL REFERENCES objects_buckets (id),
  key TEXT NOT NULL,
  initiated REAL NOT NULL,
  attributes BLOB NOT NULL,
  annotations BLOB,
  slot_file TEXT,
  slot_size INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX objects_uploads_order ON objects_uploads (bucket, key, upload_id);

CREATE TABLE objects_parts (
  upload_id TEXT NOT NULL REFERENCES objects_uploads (upload_id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  modified REAL NOT NULL,
  file TEXT NOT NULL,
  file_offset INTEGER NOT NULL,
  checksums BLOB NOT NULL,
  PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
CREATE INDEX objects_parts_file ON objects_parts (file);
