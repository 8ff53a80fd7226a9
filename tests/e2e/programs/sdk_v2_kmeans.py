"""A notebook as users write it for the SageMaker SDK v2: a first-party estimator class, fit with
logs streamed, deploy, predict with the SDK's serialisers, delete. Prints one JSON line at the end.
"""

import json

import numpy as np
import sagemaker
from sagemaker import KMeans

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()

random = np.random.default_rng(0)
centers = random.normal(scale=10, size=(4, 5))
data = (centers[random.integers(0, 4, 1000)] + random.normal(size=(1000, 5))).astype("float32")

estimator = KMeans(
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    k=4,
    output_path=f"s3://{bucket}/kmeans",
    sagemaker_session=session,
)
estimator.fit(estimator.record_set(data), mini_batch_size=500, logs=True)
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
answers = predictor.predict(data[:8])
clusters = [answer.label["closest_cluster"].float32_tensor.values[0] for answer in answers]
distances = [answer.label["distance_to_cluster"].float32_tensor.values[0] for answer in answers]
predictor.delete_model()
predictor.delete_endpoint()
# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "status": estimator.latest_training_job.describe()["TrainingJobStatus"],
            "account": session.account_id(),
            "role": role,
            "clusters": clusters,
            "distances": distances,
        }
    )
)
