-- One tuning job. `request` is the validated CreateHyperParameterTuningJob with what the service
-- filled in, `state` what became of it (reasons, completion details).
CREATE TABLE sagemaker_tuning_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    modified REAL NOT NULL,
    ended REAL,
    request BLOB NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (account, region, name)
);

CREATE INDEX sagemaker_tuning_jobs_active
    ON sagemaker_tuning_jobs (id) WHERE status IN ('InProgress', 'Stopping');

-- One trial: a configuration and the training job that tries it, written together. `number` counts
-- from 1 within the tuning job. `objective_status` and `objective` are set once, when the training
-- job is over; `summary` is then the training job in the shape that lists answer with, so that it
-- can be told even when the training job has been deleted.
CREATE TABLE sagemaker_tuning_trials (
    tuning_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    training_job_id INTEGER NOT NULL,
    training_job_name TEXT NOT NULL,
    definition INTEGER NOT NULL,
    hyperparameters BLOB NOT NULL,
    bracket INTEGER NOT NULL,
    objective_status TEXT NOT NULL,
    objective REAL,
    summary BLOB,
    curve BLOB,
    PRIMARY KEY (tuning_id, number)
) WITHOUT ROWID;

CREATE INDEX sagemaker_tuning_trials_by_training_job
    ON sagemaker_tuning_trials (training_job_id);
