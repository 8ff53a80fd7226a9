"""K-Nearest Neighbors as notebooks use it with the SDK v2: record sets, two instances, an
endpoint, verbose answers. Prints one JSON line at the end.
"""

import json

import numpy as np
import sagemaker
from sagemaker import KNN
from sagemaker.serializers import CSVSerializer

session = sagemaker.Session()
random = np.random.default_rng(0)
centers = random.normal(scale=4, size=(12, 10)).astype("float32")
kinds = random.integers(0, 12, 3000)
rows = (centers[kinds] + random.normal(size=(3000, 10))).astype("float32")
labels = (kinds % 4).astype("float32")

estimator = KNN(
    role=sagemaker.get_execution_role(),
    instance_count=2,
    instance_type="ml.m5.large",
    k=7,
    sample_size=1500,
    predictor_type="classifier",
    index_type="faiss.IVFFlat",
    index_metric="L2",
    sagemaker_session=session,
    data_location=f"s3://{session.default_bucket()}/knn",
)
train = estimator.record_set(rows[:2400], labels[:2400])
test = estimator.record_set(rows[2400:], labels[2400:], channel="test")
# The SDK's own waits look every 10 and 30 seconds.
estimator.fit([train, test], wait=False)
session.logs_for_job(estimator.latest_training_job.name, wait=True, poll=0.2)
job = estimator.latest_training_job.describe()

predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
answers = predictor.predict(rows[2400:])
found = [answer.label["predicted_label"].float32_tensor.values[0] for answer in answers]
runtime = session.sagemaker_runtime_client
verbose = json.loads(
    runtime.invoke_endpoint(
        EndpointName=predictor.endpoint_name,
        ContentType="text/csv",
        Accept="application/json; verbose=true",
        Body=CSVSerializer().serialize(rows[2400:2410]),
    )["Body"].read()
)["predictions"]
predictor.delete_model()
predictor.delete_endpoint()
# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "metrics": {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]},
            "accuracy": float((np.array(found) == labels[2400:]).mean()),
            "predictions": found[:10],
            "verbose": verbose,
        }
    )
)
