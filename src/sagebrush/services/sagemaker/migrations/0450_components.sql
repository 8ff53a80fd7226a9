-- Which instance of an endpoint each copy of an inference component is on, and what it needs there.
CREATE TABLE sagemaker_component_copies (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    component TEXT NOT NULL,
    generation INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    variant TEXT NOT NULL,
    instance INTEGER NOT NULL,
    cpus REAL NOT NULL,
    accelerators REAL NOT NULL,
    memory_mb REAL NOT NULL,
    PRIMARY KEY (account, region, component, generation, ordinal)
) WITHOUT ROWID;

CREATE INDEX sagemaker_component_copies_by_endpoint
    ON sagemaker_component_copies (account, region, endpoint, variant);

-- The names as they stand in ARNs, for the operations that take any ARN.
CREATE VIEW sagemaker_inference_components AS
    SELECT account, region, lower(name) AS name FROM sagemaker_hosting
    WHERE kind = 'inference-component';
