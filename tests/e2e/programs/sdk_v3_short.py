"""The shortest whole program for the SDK v3: account, upload, train, read the artefact."""

import json
import os

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig

# See sdk_v2_short.py for what plain http lacks.
plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
bucket = f"short-v3-{os.environ.get('WAY', 'proxy')}"
s3 = boto3.client("s3")
if plain:
    s3.create_bucket(Bucket=bucket)
    session = Session(default_bucket=bucket)
    role = "arn:aws:iam::000000000000:role/SageMakerRole"
else:
    session = Session()
    role = get_execution_role()
    bucket = session.default_bucket()

rows = np.random.default_rng(0).normal(size=(200, 3))
csv = "\n".join(",".join(f"{value:.6f}" for value in row) for row in rows)
s3.put_object(Bucket=bucket, Key="short-v3/data.csv", Body=csv)
trainer = ModelTrainer(
    training_image=image_uris.retrieve("kmeans", session.boto_region_name),
    role=role,
    sagemaker_session=session,
    base_job_name="short-v3",
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/short-v3"),
    hyperparameters={"k": 2, "feature_dim": 3, "mini_batch_size": 100},
)
channel = InputData(
    channel_name="train",
    data_source=f"s3://{bucket}/short-v3/data.csv",
    content_type="text/csv;label_size=0",
)
trainer.train(input_data_config=[channel], wait=True, logs=False)
job = trainer._latest_training_job
job.refresh()
key = job.model_artifacts.s3_model_artifacts.partition(bucket + "/")[2]
size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
print(json.dumps({"status": job.training_job_status, "size": size}))
