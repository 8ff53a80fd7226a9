-- One training job. `request` is the validated CreateTrainingJob as it came, `progress` what became
-- of it (transitions, metrics, reasons); the other columns are what lists filter and sort by.
CREATE TABLE sagemaker_training_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    secondary_status TEXT NOT NULL,
    created REAL NOT NULL,
    modified REAL NOT NULL,
    started REAL,
    ended REAL,
    request BLOB NOT NULL,
    progress BLOB NOT NULL,
    UNIQUE (account, region, name)
);

CREATE INDEX sagemaker_training_jobs_by_creation
    ON sagemaker_training_jobs (account, region, created);

CREATE INDEX sagemaker_training_jobs_active
    ON sagemaker_training_jobs (id) WHERE status IN ('InProgress', 'Stopping');

-- Tags of every kind of SageMaker resource. `position` keeps the order they were given in.
CREATE TABLE sagemaker_tags (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    arn TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (arn, key)
);
