-- A transform job has a list of containers that answer one after another.
UPDATE sagemaker_transform_jobs SET progress = CAST(
    json_remove(
        json_set(
            CAST(progress AS TEXT), '$.containers',
            json_array(json_extract(CAST(progress AS TEXT), '$.container'))
        ), '$.container'
    ) AS BLOB
) WHERE json_type(CAST(progress AS TEXT), '$.container') IS NOT NULL;
