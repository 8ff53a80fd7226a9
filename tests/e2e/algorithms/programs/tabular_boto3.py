"""LightGBM or CatBoost by image URI through boto3: made-up rows in the documented layout, an
endpoint, and a job without data. Prints one JSON line.
"""

import json
import os
import time

import boto3
import numpy as np

algorithm = os.environ["ALGORITHM"]
session = boto3.Session()
region = session.region_name or "us-east-1"
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
bucket, name = f"tabular-{account}-{algorithm}", f"{algorithm}-plain"
image = f"{account}.dkr.ecr.{region}.amazonaws.com/{algorithm}:1"
role = f"arn:aws:iam::{account}:role/Tabular"
channel = "train" if algorithm == "lightgbm" else "training"
hosts = 2 if algorithm == "lightgbm" else 1
create = (
    {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
)
s3.create_bucket(Bucket=bucket, **create)

numbers = np.random.default_rng(0)
rows = numbers.normal(size=(2000, 6))
colour = numbers.integers(0, 3, 2000)
score = rows[:, 0] + rows[:, 1] * rows[:, 2] + np.array([2.0, -2.0, 0.0])[colour]
labels = (score > 0).astype(int)


def csv(chosen, *, labelled=True):
    lines = []
    for index in chosen:
        cells = [labels[index]] if labelled else []
        lines.append(",".join(map(str, [*cells, *rows[index].tolist(), int(colour[index])])))
    return ("\n".join(lines) + "\n").encode()


for key, body in {
    f"data/{channel}/one.csv": csv(range(700)),
    f"data/{channel}/two.csv": csv(range(700, 1400)),
    "data/validation/a.csv": csv(range(1400, 1700)),
    "data/categorical_index.json": json.dumps({"cat_index_list": [7]}).encode(),
}.items():
    s3.put_object(Bucket=bucket, Key=key, Body=body)


def train(job, prefix):
    sagemaker.create_training_job(
        TrainingJobName=job,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=role,
        InputDataConfig=[
            {
                "ChannelName": channel,
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{bucket}/{prefix}",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": hosts,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters={
            "problem_type": "classification",
            "learning_rate": "0.1",
            "early_stopping_rounds": "20",
        },
    )
    while True:
        description = sagemaker.describe_training_job(TrainingJobName=job)
        if description["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            return description
        time.sleep(0.2)


description = train(name, "data")
s3.put_object(Bucket=bucket, Key="nothing/categorical_index.json", Body=b'{"cat_index_list": []}')
refused = train(f"{name}-refused", "nothing")

sagemaker.create_model(
    ModelName=name,
    ExecutionRoleArn=role,
    PrimaryContainer={
        "Image": image,
        "ModelDataUrl": description["ModelArtifacts"]["S3ModelArtifacts"],
    },
)
sagemaker.create_endpoint_config(
    EndpointConfigName=name,
    ProductionVariants=[
        {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
    ],
)
sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
    time.sleep(0.2)
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=name,
    ContentType="text/csv",
    Accept="application/json;verbose",
    Body=csv(range(1700, 2000), labelled=False),
)
found = json.loads(answer["Body"].read())
sagemaker.delete_endpoint(EndpointName=name)
print(
    json.dumps(
        {
            "status": description["TrainingJobStatus"],
            "hosts": hosts,
            "labels": found["labels"],
            "accuracy": float(np.mean(np.array(found["predicted_label"]) == labels[1700:])),
            "refusal": refused["FailureReason"],
        }
    )
)
