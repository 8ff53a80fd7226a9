"""LDA as SageMaker's image runs it: topics of documents, found by the spectral method."""

from sagebrush.algorithms.card import Card, Channel, Metric

CONTENT_TYPES = ("application/x-recordio-protobuf", "text/csv")

CARD = Card(
    name="lda",
    title="Latent Dirichlet Allocation",
    summary="Finds topics in word counts, and what mixture of them each document is.",
    repositories=("lda",),
    channels=(
        Channel("train", required=True, content_types=CONTENT_TYPES),
        Channel("test", content_types=CONTENT_TYPES),
    ),
    metrics=(
        Metric("test:pwll", r"#quality_metric: host=\S+, test pwll <score>=(\S+)", "Maximize"),
    ),
    content_types=(
        "application/x-recordio-protobuf",
        "text/csv",
        "application/json",
        "application/jsonlines",
    ),
    accepts=("application/json", "application/jsonlines", "application/x-recordio-protobuf"),
    hyperparameters="sagebrush.algorithms.lda.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.lda.train:train",
    load="sagebrush.algorithms.lda.serve:load",
)
