CREATE TABLE injection_faults (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    document TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    struck INTEGER NOT NULL DEFAULT 0
);
