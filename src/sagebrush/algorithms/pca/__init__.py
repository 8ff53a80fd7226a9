"""Principal component analysis as SageMaker's image runs it: one pass, exact or by a sketch."""

from sagebrush.algorithms.card import Card, Channel, Metric

CONTENT_TYPES = ("application/x-recordio-protobuf", "text/csv")

CARD = Card(
    name="pca",
    title="Principal Component Analysis",
    summary="Finds the directions in which rows vary most and projects rows onto them.",
    repositories=("pca",),
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
            "test:reconstruction_loss",
            r"#quality_metric: host=\S+, test reconstruction_loss <loss>=(\S+)",
            "Minimize",
        ),
        Metric(
            "test:explained_variance_ratio",
            r"#quality_metric: host=\S+, test explained_variance_ratio <score>=(\S+)",
            "Maximize",
        ),
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
    hyperparameters="sagebrush.algorithms.pca.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.pca.train:train",
    load="sagebrush.algorithms.pca.serve:load",
    distributed=True,
)
