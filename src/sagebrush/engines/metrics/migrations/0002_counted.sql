-- How far files of counts have been stored: one row per file, see counting.py.
CREATE TABLE metrics_counted (
    name TEXT PRIMARY KEY,
    generation INTEGER NOT NULL
) WITHOUT ROWID;
