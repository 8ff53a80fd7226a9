-- How a trial's training job ended, so that counting needs no documents: its status (empty while it
-- goes on) and whether a failure was the platform's, which a retry may mend. `judged` is how many
-- units of resource Hyperband has looked at, `stopped_at` the rung at which it stopped the trial.
ALTER TABLE sagemaker_tuning_trials ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE sagemaker_tuning_trials ADD COLUMN retryable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sagemaker_tuning_trials ADD COLUMN judged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sagemaker_tuning_trials ADD COLUMN stopped_at INTEGER NOT NULL DEFAULT 0;

UPDATE sagemaker_tuning_trials
    SET status = coalesce(json_extract(CAST(summary AS TEXT), '$.TrainingJobStatus'), 'Failed')
    WHERE objective_status <> 'Pending';

-- What a warm start takes over, as it was when the tuning job was created: the parents may be
-- deleted. `observations` are [parent, hyperparameters, objective], `best` the summary of the best
-- of the parents' training jobs.
CREATE TABLE sagemaker_tuning_inherited (
    tuning_id INTEGER PRIMARY KEY,
    observations BLOB NOT NULL,
    best BLOB
);
