-- Models, endpoint configurations and endpoints: `kind` tells them apart. `request` is the
-- validated Create call as it came; `state` is what became of it (endpoints only).
CREATE TABLE sagemaker_hosting (
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    modified REAL NOT NULL,
    request BLOB NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (kind, account, region, name)
) WITHOUT ROWID;

-- How much of a model server's log is in the log store; changes together with what is stored.
CREATE TABLE sagemaker_hosting_logs (
    path TEXT NOT NULL PRIMARY KEY,
    offset INTEGER NOT NULL
) WITHOUT ROWID;

-- The names as they stand in ARNs, for the operations that take any ARN.
CREATE VIEW sagemaker_models AS
    SELECT account, region, lower(name) AS name FROM sagemaker_hosting WHERE kind = 'model';
CREATE VIEW sagemaker_endpoint_configs AS
    SELECT account, region, lower(name) AS name FROM sagemaker_hosting
    WHERE kind = 'endpoint-config';
CREATE VIEW sagemaker_endpoints AS
    SELECT account, region, lower(name) AS name FROM sagemaker_hosting WHERE kind = 'endpoint';
