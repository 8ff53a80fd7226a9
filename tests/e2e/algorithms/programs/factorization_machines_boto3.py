"""Factorization Machines by their image's URI: two instances that share the data, an
endpoint that is asked in sparse JSON lines. Prints one JSON line at the end.
"""

import io
import json

import boto3
import numpy as np
from sagemaker.amazon.common import write_spmatrix_to_sparse_tensor
from scipy import sparse

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/factorization-machines:1"
BUCKET, NAME, WIDTH, ROWS = "machines-by-image", "machines-by-image", 100_000, 4000
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/SageMakerRole"
random = np.random.default_rng(8)
# Two of twenty features far apart, and whether they go together.
pair = np.stack([random.integers(10, size=ROWS), 10 + random.integers(10, size=ROWS)], axis=1)
labels = ((pair[:, 0] + pair[:, 1]) % 2 == 0).astype("float32")
columns = (pair * 4999).ravel()
ends = np.arange(0, 2 * ROWS + 1, 2)
matrix = sparse.csr_matrix((np.ones(2 * ROWS, "float32"), columns, ends), (ROWS, WIDTH))
s3.create_bucket(Bucket=BUCKET)
for part in range(2):
    body = io.BytesIO()
    chosen = slice(1500 * part, 1500 * (part + 1))
    write_spmatrix_to_sparse_tensor(body, matrix[chosen], labels[chosen])
    s3.put_object(Bucket=BUCKET, Key=f"train/{part}", Body=body.getvalue())
held_out = range(3000, ROWS)
lines = [
    {
        "data": {
            "features": {
                "keys": matrix[row].indices.tolist(),
                "shape": [WIDTH],
                "values": [1.0, 1.0],
            }
        }
    }
    for row in held_out
]

sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={
        "feature_dim": str(WIDTH),
        "num_factors": "4",
        "predictor_type": "binary_classifier",
        "mini_batch_size": "50",
        "epochs": "20",
        "linear_lr": "0.03",
        "factors_lr": "0.03",
        "factors_init_sigma": "0.1",
    },
    InputDataConfig=[
        {
            "ChannelName": "train",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{BUCKET}/train/",
                    "S3DataDistributionType": "ShardedByS3Key",
                }
            },
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 60},
)
waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
waiter.wait(TrainingJobName=NAME, WaiterConfig={"Delay": 1})
job = sagemaker.describe_training_job(TrainingJobName=NAME)
result = {"status": job["TrainingJobStatus"], "reason": job.get("FailureReason")}
if job["TrainingJobStatus"] == "Completed":
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    key = artifact.removeprefix(f"s3://{BUCKET}/")
    result["size"] = s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"]
    sagemaker.create_model(
        ModelName=NAME,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artifact},
        ExecutionRoleArn=role,
    )
    variant = {"VariantName": "all", "ModelName": NAME, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=NAME, ProductionVariants=[variant | {"InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=NAME, WaiterConfig={"Delay": 1})
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=NAME,
        ContentType="application/jsonlines",
        Accept="application/jsonlines",
        Body="\n".join(map(json.dumps, lines)),
    )
    found = [json.loads(line) for line in answer["Body"].read().splitlines() if line]
    called = np.array([each["predicted_label"] for each in found])
    result["answers"] = len(found)
    result["accuracy"] = float((called == labels[3000:]).mean())
    sagemaker.delete_endpoint(EndpointName=NAME)
print(json.dumps(result))
