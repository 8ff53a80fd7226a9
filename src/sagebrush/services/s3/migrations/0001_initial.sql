-- What is configured for a bucket: one document per kind (policy, tagging, cors, ...).
CREATE TABLE s3_bucket_settings (
  bucket INTEGER NOT NULL REFERENCES objects_buckets (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  document BLOB NOT NULL,
  PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
