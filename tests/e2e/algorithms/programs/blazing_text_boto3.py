"""boto3 alone: batch_skipgram on two instances, and a plain fastText model that is hosted as it is.

The variable FASTTEXT_MODEL names the classifier. Prints one JSON line at the end.
"""

import io
import json
import os
import tarfile
from pathlib import Path

import boto3

BUCKET = "blazing-boto3"
IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"

s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/SageMakerRole"
s3.create_bucket(Bucket=BUCKET)
lines = [
    " ".join(f"t{row % 3}w{(row * 7 + each * 5) % 11}" for each in range(9)) for row in range(600)
]
s3.put_object(Bucket=BUCKET, Key="train/corpus.txt", Body="\n".join(lines))
sagemaker.create_training_job(
    TrainingJobName="blazing-two",
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    RoleArn=role,
    HyperParameters={"mode": "batch_skipgram", "min_count": "1", "vector_dim": "8"},
    InputDataConfig=[
        {
            "ChannelName": "train",
            "ContentType": "text/plain",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{BUCKET}/train/",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
    ResourceConfig={"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 60},
)
waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
waiter.wait(TrainingJobName="blazing-two", WaiterConfig={"Delay": 1})
job = sagemaker.describe_training_job(TrainingJobName="blazing-two")
key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(BUCKET + "/")[2]
artifact = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
with tarfile.open(fileobj=io.BytesIO(artifact)) as archive:
    names = sorted(archive.getnames())

packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as archive:
    archive.add(Path(os.environ["FASTTEXT_MODEL"]), "model.bin")
s3.put_object(Bucket=BUCKET, Key="fasttext/model.tar.gz", Body=packed.getvalue())
sagemaker.create_model(
    ModelName="plain-fasttext",
    ExecutionRoleArn=role,
    PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/fasttext/model.tar.gz"},
)
sagemaker.create_endpoint_config(
    EndpointConfigName="plain-fasttext",
    ProductionVariants=[
        {
            "VariantName": "AllTraffic",
            "ModelName": "plain-fasttext",
            "InstanceType": "ml.c5.xlarge",
            "InitialInstanceCount": 1,
        }
    ],
)
sagemaker.create_endpoint(EndpointName="plain-fasttext", EndpointConfigName="plain-fasttext")
sagemaker.get_waiter("endpoint_in_service").wait(
    EndpointName="plain-fasttext", WaiterConfig={"Delay": 1}
)
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName="plain-fasttext",
    ContentType="application/jsonlines",
    Accept="application/jsonlines",
    Body=b'{"source": "mot00 mot01 the"}\n{"source": "mot2 motx", "k": 2}',
)
found = [json.loads(line) for line in answer["Body"].read().splitlines()]
sagemaker.delete_endpoint(EndpointName="plain-fasttext")
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "reason": job.get("FailureReason", ""),
            "names": [name for name in names if name != "."],
            "answers": found,
        }
    )
)
