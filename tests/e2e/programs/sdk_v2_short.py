"""The shortest whole program for the SDK v2: account, upload, train, read the artefact."""

import json
import os

import boto3
import numpy as np
import sagemaker
from sagemaker.estimator import Estimator

# Over plain http the SDK cannot reach STS, which it addresses by https; then the bucket and the
# role are named, as its users do with other emulators.
plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
bucket = f"short-{os.environ.get('WAY', 'proxy')}"
if plain:
    boto3.client("s3").create_bucket(Bucket=bucket)
    session = sagemaker.Session(default_bucket=bucket)
    role = "arn:aws:iam::000000000000:role/SageMakerRole"
else:
    session = sagemaker.Session()
    role = sagemaker.get_execution_role()
    bucket = session.default_bucket()

rows = np.random.default_rng(0).normal(size=(200, 3))
csv = "\n".join(",".join(f"{value:.6f}" for value in row) for row in rows)
url = session.upload_string_as_file_body(csv, bucket, "short/data.csv")
estimator = Estimator(
    sagemaker.image_uris.retrieve("kmeans", session.boto_region_name),
    role,
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{bucket}/short",
    hyperparameters={"k": 2, "feature_dim": 3, "mini_batch_size": 100},
    sagemaker_session=session,
)
estimator.fit({"train": sagemaker.inputs.TrainingInput(url, content_type="text/csv;label_size=0")})
key = estimator.model_data.partition(bucket + "/")[2]
size = boto3.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
print(
    json.dumps(
        {"status": estimator.latest_training_job.describe()["TrainingJobStatus"], "size": size}
    )
)
