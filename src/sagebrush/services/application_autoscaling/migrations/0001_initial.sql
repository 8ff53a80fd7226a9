CREATE TABLE autoscaling_targets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    namespace TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    dimension TEXT NOT NULL,
    -- The last part of its ARN.
    token TEXT NOT NULL,
    minimum INTEGER NOT NULL,
    maximum INTEGER NOT NULL,
    role TEXT NOT NULL,
    suspended TEXT NOT NULL,
    tags TEXT NOT NULL,
    created REAL NOT NULL,
    -- Until when the last scale-out is waited for, and the capacity before it.
    out_until REAL NOT NULL DEFAULT 0,
    out_base INTEGER NOT NULL DEFAULT 0,
    in_until REAL NOT NULL DEFAULT 0,
    -- Whether its bounds have been changed while nothing could be scaled.
    unbounded INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, region, namespace, resource_id, dimension)
);

CREATE TABLE autoscaling_policies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id INTEGER NOT NULL REFERENCES autoscaling_targets (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    arn TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    configuration TEXT NOT NULL,
    -- The names of the alarms that were made for it.
    alarms TEXT NOT NULL,
    created REAL NOT NULL,
    UNIQUE (target_id, name)
);

CREATE TABLE autoscaling_schedules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id INTEGER NOT NULL REFERENCES autoscaling_targets (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    arn TEXT NOT NULL,
    request TEXT NOT NULL,
    created REAL NOT NULL,
    -- When it runs next; NULL when never again.
    due REAL,
    UNIQUE (target_id, name)
);

CREATE INDEX autoscaling_schedules_by_time ON autoscaling_schedules (due) WHERE due IS NOT NULL;

-- What alarms have asked for and nobody has decided upon yet.
CREATE TABLE autoscaling_triggers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    policy_id INTEGER NOT NULL REFERENCES autoscaling_policies (id) ON DELETE CASCADE,
    alarm TEXT NOT NULL,
    state TEXT NOT NULL,
    -- The alarm's data points, oldest first, its threshold, and whether it looks for more.
    points TEXT NOT NULL,
    threshold REAL NOT NULL,
    above INTEGER NOT NULL
);

CREATE TABLE autoscaling_activities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    activity_id TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    namespace TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    dimension TEXT NOT NULL,
    description TEXT NOT NULL,
    cause TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL,
    status TEXT NOT NULL,
    message TEXT,
    -- Why nothing was scaled: NotScaledReasons.
    reasons TEXT,
    capacity INTEGER,
    before INTEGER,
    cooldown_s INTEGER
);

CREATE INDEX autoscaling_activities_by_resource
    ON autoscaling_activities (account, region, namespace, resource_id, dimension, id);
CREATE INDEX autoscaling_activities_by_status
    ON autoscaling_activities (status) WHERE status = 'InProgress';
