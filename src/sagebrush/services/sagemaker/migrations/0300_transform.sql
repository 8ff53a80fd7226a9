-- One transform job. `request` is the validated CreateTransformJob as it came, `progress` what became
-- of it, with a copy of the model it uses.
CREATE TABLE sagemaker_transform_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    modified REAL NOT NULL,
    started REAL,
    ended REAL,
    request BLOB NOT NULL,
    progress BLOB NOT NULL,
    UNIQUE (account, region, name)
);

CREATE INDEX sagemaker_transform_jobs_active
    ON sagemaker_transform_jobs (id) WHERE status IN ('InProgress', 'Stopping');

-- The input objects of jobs under way, listed once. `path` is the output's place below S3OutputPath
-- without its suffix. `status` goes from Waiting to Done (the whole output lies in the job's folder)
-- to Stored (it is in S3), or to Failed. A job's rows go with its end.
CREATE TABLE sagemaker_transform_files (
    job_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version_id TEXT NOT NULL,
    path TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (job_id, position)
) WITHOUT ROWID;
