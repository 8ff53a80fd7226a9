"""BlazingText as SageMaker's image runs it: word vectors and text classification."""

from sagebrush.algorithms.card import Card, Channel, Metric

CONTENT_TYPES = ("text/plain", "application/jsonlines", "application/x-recordio")

CARD = Card(
    name="blazingtext",
    title="BlazingText",
    summary="Learns vectors of words, or classifies texts by the mean of such vectors.",
    repositories=("blazingtext",),
    channels=(
        Channel("train", required=True, content_types=CONTENT_TYPES),
        Channel("validation", content_types=CONTENT_TYPES),
    ),
    metrics=(
        Metric("train:mean_rho", r"#mean_rho: (\S+)", "Maximize"),
        Metric("train:accuracy", r"#train_accuracy: (\S+)", "Maximize"),
        Metric("validation:accuracy", r"#validation_accuracy: (\S+)", "Maximize"),
    ),
    content_types=("application/json", "application/jsonlines"),
    accepts=("application/json", "application/jsonlines"),
    hyperparameters="sagebrush.algorithms.blazing_text.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.blazing_text.train:train",
    load="sagebrush.algorithms.blazing_text.serve:load",
    distributed=True,
    default_content_type="text/plain",
)
