-- A deployment under way says how far it is: those of before begin anew.
UPDATE sagemaker_hosting SET state = CAST(
    json_set(
        CAST(state AS TEXT),
        '$.deployment', json_object(
            'policy', json('{}'), 'phase', 'Creating', 'stage', 0,
            'since', json_extract(CAST(state AS TEXT), '$.target.begun'), 'deadline', NULL
        ),
        '$.target.variants', (
            SELECT json_group_array(json_set(each.value, '$.share', 0.0))
            FROM json_each(CAST(state AS TEXT), '$.target.variants') AS each
        )
    ) AS BLOB
) WHERE kind = 'endpoint' AND json_type(CAST(state AS TEXT), '$.target.variants') IS NOT NULL;
