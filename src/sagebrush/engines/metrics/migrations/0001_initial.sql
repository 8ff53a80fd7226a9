CREATE TABLE metrics_series (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    -- JSON object with sorted keys: equal dimensions are equal text.
    dimensions TEXT NOT NULL,
    last_time REAL NOT NULL,
    UNIQUE (account, region, namespace, name, dimensions)
);

CREATE TABLE metrics_points (
    series_id INTEGER NOT NULL REFERENCES metrics_series (id) ON DELETE CASCADE,
    time REAL NOT NULL,
    number INTEGER NOT NULL,
    unit TEXT NOT NULL,
    count REAL NOT NULL,
    sum REAL NOT NULL,
    minimum REAL NOT NULL,
    maximum REAL NOT NULL,
    -- JSON array of [value, count] where more than one value was given at once.
    histogram TEXT,
    PRIMARY KEY (series_id, time, number)
) WITHOUT ROWID;

-- One row: points of the same series and time are told apart by a number that only grows.
CREATE TABLE metrics_counter (next_number INTEGER NOT NULL);

INSERT INTO metrics_counter VALUES (0);
