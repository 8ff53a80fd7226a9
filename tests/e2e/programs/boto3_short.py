"""The shortest whole program for boto3: no endpoint, no credentials, no region in the code."""

import json
import os

import boto3

bucket = f"boto3-{os.environ['WAY']}"
name = f"boto3-{os.environ['WAY']}"
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
s3.create_bucket(Bucket=bucket)
rows = "\n".join(f"{number},{number % 5}" for number in range(100))
s3.put_object(Bucket=bucket, Key="train/data.csv", Body=rows)
sagemaker.create_training_job(
    TrainingJobName=name,
    AlgorithmSpecification={
        "TrainingImage": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
        "TrainingInputMode": "File",
    },
    RoleArn=f"arn:aws:iam::{account}:role/SageMakerRole",
    HyperParameters={"k": "2", "feature_dim": "2", "mini_batch_size": "50"},
    InputDataConfig=[
        {
            "ChannelName": "train",
            "ContentType": "text/csv;label_size=0",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train/"}
            },
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 60},
)
waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
job = sagemaker.describe_training_job(TrainingJobName=name)
key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(bucket + "/")[2]
size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
print(json.dumps({"status": job["TrainingJobStatus"], "size": size}))
