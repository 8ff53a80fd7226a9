-- A variant of an endpoint has a list of containers, and an endpoint a copy of its configuration.
-- Both the state served and the one that an update leads to.
UPDATE sagemaker_hosting AS endpoint SET state = CAST(
    json_set(
        CAST(endpoint.state AS TEXT),
        '$.variants', (
            SELECT json_group_array(json_set(
                each.value, '$.containers', json_array(json_extract(each.value, '$.container')),
                '$.mode', 'Serial'
            )) FROM json_each(CAST(endpoint.state AS TEXT), '$.variants') AS each
        ),
        '$.config', json(coalesce((
            SELECT CAST(config.request AS TEXT) FROM sagemaker_hosting AS config
            WHERE config.kind = 'endpoint-config' AND config.account = endpoint.account
                AND config.region = endpoint.region
                AND config.name = json_extract(CAST(endpoint.state AS TEXT), '$.config_name')
        ), '{}'))
    ) AS BLOB
) WHERE kind = 'endpoint' AND json_type(CAST(state AS TEXT), '$.variants') IS NOT NULL;

UPDATE sagemaker_hosting AS endpoint SET state = CAST(
    json_set(
        CAST(endpoint.state AS TEXT),
        '$.target.variants', (
            SELECT json_group_array(json_set(
                each.value, '$.containers', json_array(json_extract(each.value, '$.container')),
                '$.mode', 'Serial'
            )) FROM json_each(CAST(endpoint.state AS TEXT), '$.target.variants') AS each
        ),
        '$.target.config', json(coalesce((
            SELECT CAST(config.request AS TEXT) FROM sagemaker_hosting AS config
            WHERE config.kind = 'endpoint-config' AND config.account = endpoint.account
                AND config.region = endpoint.region
                AND config.name = json_extract(CAST(endpoint.state AS TEXT), '$.target.config_name')
        ), '{}'))
    ) AS BLOB
) WHERE kind = 'endpoint' AND json_type(CAST(state AS TEXT), '$.target.variants') IS NOT NULL;
