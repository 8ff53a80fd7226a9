"""K-Means as SageMaker's image runs it: web-scale clustering of data that streams by."""

from sagebrush.algorithms.card import Card, Channel, Metric

CONTENT_TYPES = ("application/x-recordio-protobuf", "text/csv")


def _test_metric(name: str) -> Metric:
    return Metric(
        name=f"test:{name}",
        regex=rf"#quality_metric: host=\S+, test {name} <loss>=(\S+)",
        direction="Minimize",
    )


CARD = Card(
    name="kmeans",
    title="K-Means",
    summary="Clusters rows around k centres in one streaming pass.",
    repositories=("kmeans",),
    channels=(
        Channel("train", required=True, content_types=CONTENT_TYPES),
        Channel("test", content_types=CONTENT_TYPES),
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
        Metric("train:msd", r"#quality_metric: host=\S+, train msd <loss>=(\S+)", "Minimize"),
        _test_metric("msd"),
        _test_metric("ssd"),
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
    hyperparameters="sagebrush.algorithms.kmeans.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.kmeans.train:train",
    load="sagebrush.algorithms.kmeans.serve:load",
    distributed=True,
)
