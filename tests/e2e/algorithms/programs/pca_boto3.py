"""Principal component analysis by its image's URI: the randomized mode on csv in Pipe mode, the
components read from the artefact, an endpoint that answers JSON. Prints one JSON line at the end.
"""

import io
import json
import struct
import tarfile

import boto3
import numpy as np

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/pca:1"
BUCKET = NAME = "pca-by-image"
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/SageMakerRole"

random = np.random.default_rng(0)
basis = np.linalg.qr(random.normal(size=(200, 2)))[0].T
rows = random.normal(size=(1500, 2)) * [30, 20] @ basis + random.normal(size=(1500, 200)) + 5


def csv(table: np.ndarray) -> bytes:
    body = io.BytesIO()
    np.savetxt(body, table, delimiter=",", fmt="%.5g")
    return body.getvalue()


def arrays(content: bytes) -> dict:
    """Return the arrays of an MXNet list, as its `mxnet.nd.load` does."""
    (count,) = struct.unpack_from("<Q", content, 16)
    position, values = 24, []
    for _ in range(count):
        (dimensions,) = struct.unpack_from("<I", content, position + 8)
        shape = struct.unpack_from(f"<{dimensions}q", content, position + 12)
        position += 24 + 8 * dimensions
        size = int(np.prod(shape))
        values.append(np.frombuffer(content, "<f4", size, position).reshape(shape))
        position += 4 * size
    position += 8
    names = []
    for _ in range(count):
        (length,) = struct.unpack_from("<Q", content, position)
        names.append(content[position + 8 : position + 8 + length].decode())
        position += 8 + length
    return dict(zip(names, values, strict=True))


s3.create_bucket(Bucket=BUCKET)
for part in range(3):
    body = csv(rows[500 * part : 500 * part + 500])
    s3.put_object(Bucket=BUCKET, Key=f"train/{part}.csv", Body=body)
sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
    RoleArn=role,
    HyperParameters={
        "feature_dim": "200",
        "num_components": "2",
        "mini_batch_size": "500",
        "algorithm_mode": "randomized",
        "extra_components": "6",
        "subtract_mean": "true",
    },
    InputDataConfig=[
        {
            "ChannelName": "train",
            "ContentType": "text/csv;label_size=0",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/train/"}
            },
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 60},
)
waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
waiter.wait(TrainingJobName=NAME, WaiterConfig={"Delay": 1})
job = sagemaker.describe_training_job(TrainingJobName=NAME)
artefact = job["ModelArtifacts"]["S3ModelArtifacts"]
content = s3.get_object(Bucket=BUCKET, Key=artefact.partition(BUCKET + "/")[2])["Body"].read()
with tarfile.open(fileobj=io.BytesIO(content)) as archive:
    found = arrays(archive.extractfile("model_algo-1").read())

container = {"Image": IMAGE, "ModelDataUrl": artefact}
sagemaker.create_model(ModelName=NAME, ExecutionRoleArn=role, PrimaryContainer=container)
variant = {"VariantName": "all", "ModelName": NAME, "InitialInstanceCount": 1}
sagemaker.create_endpoint_config(
    EndpointConfigName=NAME, ProductionVariants=[variant | {"InstanceType": "ml.m5.large"}]
)
sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 1})
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=NAME, ContentType="text/csv", Accept="application/json", Body=csv(rows[:4])
)
projections = [each["projection"] for each in json.loads(answer["Body"].read())["projections"]]
sagemaker.delete_endpoint(EndpointName=NAME)
expected = (rows[:4] - found["mean"]) @ found["v"]
exact = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)[:2]
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "shapes": {name: value.shape for name, value in found.items()},
            # The largest component is the last column.
            "cosines": np.abs((found["v"][:, ::-1] * basis.T).sum(axis=0)).tolist(),
            "values": found["s"][::-1].tolist(),
            "exact": exact.tolist(),
            "difference": float(np.abs(np.array(projections) - expected).max()),
        }
    )
)
