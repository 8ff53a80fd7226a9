-- Asynchronous endpoints: what their queues have to know before their model servers are up.
-- `created` tells an endpoint from an earlier one of its name; `config` is its
-- AsyncInferenceConfig, `variant` the one that what no instance had is told of.
CREATE TABLE sagemaker_async_queues (
    address TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    created REAL NOT NULL,
    config BLOB NOT NULL,
    variant TEXT NOT NULL
) WITHOUT ROWID;

-- Requests that are not answered yet, in the order they came. A row goes in the transaction that
-- writes the answer. `deaths` counts the model servers that died over it.
CREATE TABLE sagemaker_async_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL,
    inference_id TEXT NOT NULL,
    received REAL NOT NULL,
    expires REAL NOT NULL,
    deaths INTEGER NOT NULL DEFAULT 0,
    request BLOB NOT NULL,
    body BLOB
);
CREATE INDEX sagemaker_async_requests_order ON sagemaker_async_requests (address, id);
CREATE INDEX sagemaker_async_requests_expiry ON sagemaker_async_requests (address, expires);
