"""LDA as notebooks use it with the SDK v2: record sets to train and test on, an endpoint, the model
file. Prints one JSON line at the end.
"""

import base64
import io
import json
import tarfile

import boto3
import numpy as np
import sagemaker
from sagemaker import LDA

session = sagemaker.Session()
random = np.random.default_rng(0)
images = np.zeros((5, 5, 5))
for side in range(5):
    images[side, side] = random.dirichlet(np.full(5, 100.0))
topics = images.reshape(5, 25)
mixtures = random.dirichlet(np.full(5, 0.2), size=2000)
words = mixtures @ topics
rows = np.array([random.multinomial(150, row / row.sum()) for row in words], dtype="float32")

estimator = LDA(
    role=sagemaker.get_execution_role(),
    instance_type="ml.c4.2xlarge",
    num_topics=5,
    alpha0=1.0,
    sagemaker_session=session,
    data_location=f"s3://{session.default_bucket()}/lda",
)
train = estimator.record_set(rows[:1800])
test = estimator.record_set(rows[1800:], channel="test")
# The SDK's own waits look every 10 and 30 seconds.
estimator.fit([train, test], mini_batch_size=1800, wait=False)
session.logs_for_job(estimator.latest_training_job.name, wait=True, poll=0.2)
job = estimator.latest_training_job.describe()

predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
answers = predictor.predict(rows[1800:])
found = [list(answer.label["topic_mixture"].float32_tensor.values) for answer in answers]
predictor.delete_model()
predictor.delete_endpoint()

bucket, _, key = estimator.model_data.removeprefix("s3://").partition("/")
archive = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
    model = tar.extractfile("model_algo-1").read()
# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "metrics": {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]},
            "topics": topics.tolist(),
            "mixtures": mixtures[1800:].tolist(),
            "found": found,
            "model": base64.b64encode(model).decode(),
        }
    )
)
