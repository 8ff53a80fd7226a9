CREATE TABLE logs_metric_filters (
    group_id INTEGER NOT NULL REFERENCES logs_groups (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- The request as it came: filterPattern, metricTransformations...
    request TEXT NOT NULL,
    PRIMARY KEY (group_id, name)
) WITHOUT ROWID;
