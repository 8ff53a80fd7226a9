"""The three predictor types of `sagemaker.LinearLearner`: record sets for train, validation and
test, an endpoint each, the SDK's records in and out. Prints one JSON line at the end.
"""

import json

import numpy as np
import sagemaker
from sagemaker import LinearLearner
from sagemaker.amazon.linear_learner import LinearLearnerModel, LinearLearnerPredictor

WIDTH, ROWS, POLL_S = 8, 3000, 0.2
session = sagemaker.Session()
role = sagemaker.get_execution_role()
random = np.random.default_rng(4)
features = (random.normal(size=(ROWS, WIDTH)) * np.arange(1, WIDTH + 1)).astype("float32")
scores = features @ random.normal(size=(WIDTH, 3))
noise = random.normal(size=ROWS)


def estimator(kind, **settings):
    return LinearLearner(
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        predictor_type=kind,
        num_models=8,
        epochs=10,
        output_path=f"s3://{session.default_bucket()}/linear",
        sagemaker_session=session,
        **settings,
    )


def deployed(learner):
    """Deploy without the half minute between the SDK's looks at the endpoint."""
    predictor = learner.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False)
    session.wait_for_endpoint(predictor.endpoint_name, poll=POLL_S)
    return predictor


def answers(kind, labels, **settings):
    """Train with validation and test channels, deploy, and return what the held-out rows get."""
    learner = estimator(kind, **settings)
    labels = labels.astype("float32")
    channels = [
        learner.record_set(features[part], labels[part], channel=name)
        for name, part in (
            ("train", slice(0, 2000)),
            ("validation", slice(2000, 2500)),
            ("test", slice(2500, None)),
        )
    ]
    learner.fit(channels, mini_batch_size=100, wait=False)
    session.wait_for_job(learner.latest_training_job.name, poll=POLL_S)
    predictor = deployed(learner)
    assert isinstance(predictor, LinearLearnerPredictor)
    found = predictor.predict(features[2500:])
    metrics = learner.latest_training_job.describe()["FinalMetricDataList"]
    predictor.delete_model()
    predictor.delete_endpoint()
    outputs = {
        name: np.array([record.label[name].float32_tensor.values for record in found])
        for name in found[0].label
    }
    values = {metric["MetricName"]: metric["Value"] for metric in metrics}
    return learner, outputs, labels[2500:], values


result = {}
_, outputs, truth, metrics = answers("regressor", 3 * scores[:, 0] + noise)
result["regressor"] = {
    "outputs": sorted(outputs),
    "r2": 1 - float(((outputs["score"][:, 0] - truth) ** 2).mean() / truth.var()),
    "metrics": sorted(metrics),
}

rare = scores[:, 0] + noise > np.quantile(scores[:, 0], 0.9)
learner, outputs, truth, metrics = answers(
    "binary_classifier",
    rare,
    binary_classifier_model_selection_criteria="precision_at_target_recall",
    target_recall=0.9,
)
chosen = outputs["predicted_label"][:, 0] == 1
result["binary"] = {
    "outputs": sorted(outputs),
    "recall": float(chosen[truth == 1].mean()),
    "precision": float(truth[chosen].mean()),
    "probabilities": [float(outputs["score"].min()), float(outputs["score"].max())],
    "metrics": sorted(metrics),
}

# Another session comes back to the job, and makes an endpoint from its artefact alone.
attached = LinearLearner.attach(learner.latest_training_job.name, sagemaker_session=session)
model = LinearLearnerModel(attached.model_data, role=role, sagemaker_session=session)
predictor = deployed(model)
again = [
    record.label["score"].float32_tensor.values[0] for record in predictor.predict(features[2500:])
]
predictor.delete_endpoint()
result["attached"] = {
    "predictor_type": attached.hyperparameters()["predictor_type"],
    "same": bool(np.array_equal(np.array(again), outputs["score"][:, 0])),
}

_, outputs, truth, metrics = answers(
    "multiclass_classifier", scores.argmax(axis=1), num_classes=3, balance_multiclass_weights=True
)
result["multiclass"] = {
    "outputs": sorted(outputs),
    "accuracy": float((outputs["predicted_label"][:, 0] == truth).mean()),
    "sums": [float(outputs["score"].sum(axis=1).min()), float(outputs["score"].sum(axis=1).max())],
    "classes": outputs["score"].shape[1],
    "metrics": sorted(metrics),
}

print()
print(json.dumps(result))
