"""Random Cut Forest as notebooks use it with the SDK v2: a labelled, encrypted test record set, two
instances that share the training data, an endpoint. Prints one JSON line at the end.
"""

import json

import numpy as np
import sagemaker
from sagemaker import RandomCutForest
from sagemaker.amazon.amazon_estimator import RecordSet

session = sagemaker.Session()
random = np.random.default_rng(0)
ROWS, WIDTH = 6000, 4
rows = random.normal(size=(ROWS, WIDTH)).astype("float32")
labels = (random.random(ROWS) < 0.01).astype("float32")
rows[labels == 1] += random.choice([-7, 7], size=(int(labels.sum()), WIDTH))

estimator = RandomCutForest(
    role=sagemaker.get_execution_role(),
    instance_count=2,
    instance_type="ml.m4.xlarge",
    num_samples_per_tree=128,
    num_trees=60,
    eval_metrics=["accuracy", "precision_recall_fscore"],
    sagemaker_session=session,
    data_location=f"s3://{session.default_bucket()}/forest",
)
train: RecordSet = estimator.record_set(rows)
test: RecordSet = estimator.record_set(
    rows[:2000], labels[:2000], channel="test", encrypt=True, distribution="FullyReplicated"
)
# The SDK's own waits look every 10 and 30 seconds.
estimator.fit([train, test], wait=False)
session.logs_for_job(estimator.latest_training_job.name, wait=True, poll=0.2)
job = estimator.latest_training_job.describe()

predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m4.xlarge", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
answers = predictor.predict(rows[2000:])
scores = np.array([answer.label["score"].float32_tensor.values[0] for answer in answers])
predictor.delete_model()
predictor.delete_endpoint()
# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "metrics": {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]},
            "normal": float(scores[labels[2000:] == 0].mean()),
            "anomalous": float(scores[labels[2000:] == 1].min()),
            "scores": len(scores),
        }
    )
)
