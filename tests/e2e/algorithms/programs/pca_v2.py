"""Principal component analysis as notebooks use it with the SDK v2: record sets, two instances that
share the rows, an endpoint that projects. Prints one
JSON line at the end.
"""

import json

import numpy as np
import sagemaker
from sagemaker import PCA

session = sagemaker.Session()
random = np.random.default_rng(0)
basis = np.linalg.qr(random.normal(size=(30, 3)))[0].T
rows = random.normal(size=(3000, 3)) * [9, 6, 4] @ basis + random.normal(size=(3000, 30)) + 20
rows = rows.astype("float32")

estimator = PCA(
    role=sagemaker.get_execution_role(),
    instance_count=2,
    instance_type="ml.m5.large",
    num_components=3,
    sagemaker_session=session,
    data_location=f"s3://{session.default_bucket()}/pca",
)
train = estimator.record_set(rows)
test = estimator.record_set(rows[:500], channel="test")
# The SDK's own waits look every 10 and 30 seconds.
estimator.fit([train, test], wait=False)
session.logs_for_job(estimator.latest_training_job.name, wait=True, poll=0.2)
job = estimator.latest_training_job.describe()

predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
answers = predictor.predict(rows[:500])
found = np.array([list(answer.label["projection"].float32_tensor.values) for answer in answers])
predictor.delete_model()
predictor.delete_endpoint()
expected = (rows[:500] - rows.mean(axis=0)) @ basis.T
# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "metrics": {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]},
            "variances": found.var(axis=0).tolist(),
            # Each projection beside the true one, the largest component first.
            "correlations": [
                abs(float(np.corrcoef(found[:, 2 - i], expected[:, i])[0, 1])) for i in range(3)
            ],
        }
    )
)
