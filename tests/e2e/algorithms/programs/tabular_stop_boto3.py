"""A LightGBM or CatBoost job of more rounds than anyone waits for: stopped once it learns, and what
it left behind an endpoint; and a script of one's own. Prints one JSON line.
"""

import json
import os
import time

import boto3
import numpy as np
from botocore.exceptions import ClientError

algorithm = os.environ["ALGORITHM"]
rounds = {"lightgbm": "num_boost_round", "catboost": "iterations"}[algorithm]
progress = {"lightgbm": "valid_0's rmse", "catboost": "learn:"}[algorithm]
session = boto3.Session()
region = session.region_name or "us-east-1"
s3, sagemaker, logs = boto3.client("s3"), boto3.client("sagemaker"), boto3.client("logs")
account = boto3.client("sts").get_caller_identity()["Account"]
bucket, name = f"tabular-stop-{account}-{algorithm}", f"{algorithm}-stopped"
image = f"{account}.dkr.ecr.{region}.amazonaws.com/{algorithm}:1"
role = f"arn:aws:iam::{account}:role/Tabular"
create = (
    {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
)
s3.create_bucket(Bucket=bucket, **create)

rows = np.random.default_rng(0).normal(size=(1200, 5)).round(4)
target = rows[:, 0] + rows[:, 1] * rows[:, 2]


def csv(table):
    return "".join(",".join(map(str, row)) + "\n" for row in table.tolist()).encode()


labelled = np.column_stack([target, rows])
s3.put_object(Bucket=bucket, Key="data/training/rows.csv", Body=csv(labelled[:800]))
s3.put_object(Bucket=bucket, Key="data/validation/rows.csv", Body=csv(labelled[800:1000]))


def channel(part):
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{bucket}/data/{part}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "ChannelName": part,
        "ContentType": "text/csv",
        "DataSource": {"S3DataSource": source},
    }


def create_job(job, **more):
    sagemaker.create_training_job(
        TrainingJobName=job,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=role,
        InputDataConfig=[channel("training"), channel("validation")],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters={
            "problem_type": "regression",
            rounds: "1000000",
            "early_stopping_rounds": "0",
            "learning_rate": "0.05",
            **more,
        },
    )


def log_lines(job):
    group = "/aws/sagemaker/TrainingJobs"
    try:
        found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=job)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in found["events"]]


def refusal(**hyperparameters):
    try:
        create_job(f"{name}-script", **hyperparameters)
    except ClientError as error:
        return error.response["Error"]
    return None


create_job(name)
while not any(progress in line for line in log_lines(name)):
    status = sagemaker.describe_training_job(TrainingJobName=name)
    assert status["TrainingJobStatus"] == "InProgress", status["FailureReason"]
    time.sleep(0.2)
sagemaker.stop_training_job(TrainingJobName=name)
asked = time.monotonic()
while True:
    stopped = sagemaker.describe_training_job(TrainingJobName=name)
    if stopped["TrainingJobStatus"] not in ("InProgress", "Stopping"):
        break
    time.sleep(0.1)
stopped_after_s = time.monotonic() - asked

sagemaker.create_model(
    ModelName=name,
    ExecutionRoleArn=role,
    PrimaryContainer={
        "Image": image,
        "ModelDataUrl": stopped["ModelArtifacts"]["S3ModelArtifacts"],
    },
)
variant = {
    "VariantName": "AllTraffic",
    "ModelName": name,
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
}
sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
    time.sleep(0.2)
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=name, ContentType="text/csv", Body=csv(rows[1000:])
)
predicted = json.loads(answer["Body"].read())["prediction"]
sagemaker.delete_endpoint(EndpointName=name)

code = f"s3://{bucket}/code/source.tar.gz"
print(
    json.dumps(
        {
            "status": stopped["TrainingJobStatus"],
            "secondary": [each["Status"] for each in stopped["SecondaryStatusTransitions"]],
            "stopped_after_s": stopped_after_s,
            "predicted": predicted,
            "truth": target[1000:].tolist(),
            "script": refusal(sagemaker_program="train.py", sagemaker_submit_directory=code),
            "folder": refusal(sagemaker_submit_directory=code),
            "jobs": [
                each["TrainingJobName"]
                for each in sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
            ],
        }
    )
)
