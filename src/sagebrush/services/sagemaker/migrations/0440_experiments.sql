-- The names of inference experiments as they stand in ARNs, for the operations that take any ARN.
CREATE VIEW sagemaker_inference_experiments AS
    SELECT account, region, lower(name) AS name FROM sagemaker_hosting
    WHERE kind = 'inference-experiment';
