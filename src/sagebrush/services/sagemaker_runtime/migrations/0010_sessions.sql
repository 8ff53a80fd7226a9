-- The stateful sessions that models have opened: which instance holds the session, until when.
CREATE TABLE sagemaker_runtime_sessions (
    address TEXT NOT NULL,
    session_id TEXT NOT NULL,
    instance TEXT NOT NULL,
    expires REAL,
    PRIMARY KEY (address, session_id)
) WITHOUT ROWID;
