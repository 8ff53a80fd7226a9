"""Random Cut Forest as SageMaker's image runs it: anomaly scores from random partitions."""

from sagebrush.algorithms.card import Card, Channel, Metric

CONTENT_TYPES = ("application/x-recordio-protobuf", "text/csv")


def _test_metric(name: str) -> Metric:
    return Metric(
        name=f"test:{name}",
        regex=rf"#quality_metric: host=\S+, test {name} <score>=(\S+)",
        direction="Maximize",
    )


CARD = Card(
    name="randomcutforest",
    title="Random Cut Forest",
    summary="Scores how anomalous rows are by how easily random cuts set them apart.",
    repositories=("randomcutforest",),
    channels=(
        Channel(
            "train",
            required=True,
            content_types=CONTENT_TYPES,
            distributions=("ShardedByS3Key",),
        ),
        Channel("test", content_types=CONTENT_TYPES, distributions=("FullyReplicated",)),
    ),
    metrics=(
        Metric(
            "train:progress",
            r"#progress_metric: host=\S+, completed (\S+) %",
            "Maximize",
        ),
        Metric(
            "train:throughput",
            r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
            "Maximize",
        ),
        _test_metric("f1"),
        _test_metric("precision"),
        _test_metric("recall"),
        _test_metric("accuracy"),
    ),
    content_types=(
        "application/x-recordio-protobuf",
        "text/csv",
        "application/json",
        "application/jsonlines",
    ),
    accepts=(
        "application/json",
        "application/jsonlines",
        "text/csv",
        "application/x-recordio-protobuf",
    ),
    hyperparameters="sagebrush.algorithms.random_cut_forest.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.random_cut_forest.train:train",
    load="sagebrush.algorithms.random_cut_forest.serve:load",
    distributed=True,
)
