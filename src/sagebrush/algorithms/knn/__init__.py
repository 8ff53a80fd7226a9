"""k nearest neighbours as SageMaker's image runs it: a sample of the rows in a faiss index."""

from sagebrush.algorithms.card import Card, Channel, Metric

CONTENT_TYPES = ("application/x-recordio-protobuf", "text/csv")

CARD = Card(
    name="knn",
    title="K-Nearest Neighbors",
    summary="Labels a row by the rows nearest to it in a sample of the training data.",
    repositories=("knn",),
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
        Metric(
            "test:accuracy",
            r"#quality_metric: host=\S+, test accuracy <score>=(\S+)",
            "Maximize",
        ),
        Metric("test:mse", r"#quality_metric: host=\S+, test mse <loss>=(\S+)", "Minimize"),
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
        "application/x-recordio-protobuf",
    ),
    hyperparameters="sagebrush.algorithms.knn.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.knn.train:train",
    load="sagebrush.algorithms.knn.serve:load",
    distributed=True,
)
