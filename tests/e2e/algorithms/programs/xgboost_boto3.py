"""XGBoost by image URI through boto3: the same rows on one, two and three instances with shares of
them, custom metrics, an endpoint, the artefact. Prints one JSON line.
"""

import io
import json
import tarfile
import time

import boto3
import numpy as np

region = boto3.Session().region_name or "us-east-1"
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
bucket = f"boosting-{account}"
image = f"683313688378.dkr.ecr.{region}.amazonaws.com/sagemaker-xgboost:3.0-5"
where = (
    {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
)
s3.create_bucket(Bucket=bucket, **where)

# Few distinct values: bins, and so trees, do not depend on how rows are shared.
random = np.random.default_rng(0)
rows = random.integers(0, 30, size=(3600, 5))
labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] / 15 + random.normal(size=3600) > 28).astype(int)


def csv(part, *, labelled=True):
    table = np.column_stack([labels[part], rows[part]]) if labelled else rows[part]
    return "".join(",".join(map(str, row)) + "\n" for row in table.tolist()).encode()


for index in range(6):
    s3.put_object(
        Bucket=bucket,
        Key=f"data/train/{index}.csv",
        Body=csv(slice(500 * index, 500 * index + 500)),
    )
    s3.put_object(
        Bucket=bucket, Key=f"data/validation/{index}.csv", Body=csv(slice(3000 + index, 3600, 6))
    )


def channel(name):
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{bucket}/data/{name}/",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    return {
        "ChannelName": name,
        "ContentType": "text/csv",
        "DataSource": {"S3DataSource": source},
    }


def train(hosts):
    name = f"boosting-{hosts}"
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=f"arn:aws:iam::{account}:role/Boosting",
        InputDataConfig=[channel("train"), channel("validation")],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": hosts,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters={
            "num_round": "8",
            "objective": "binary:logistic",
            "tree_method": "hist",
            "eval_metric": "logloss,accuracy,f1,rmse",
        },
    )
    while True:
        found = sagemaker.describe_training_job(TrainingJobName=name)
        if found["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            return found
        time.sleep(0.1)


def model_of(job):
    key = job["ModelArtifacts"]["S3ModelArtifacts"].split("/", 3)[3]
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.extractfile("xgboost-model").read().hex()


jobs = {hosts: train(hosts) for hosts in (1, 2, 3)}
assert all(job["TrainingJobStatus"] == "Completed" for job in jobs.values()), jobs

name = "boosting"
sagemaker.create_model(
    ModelName=name,
    ExecutionRoleArn=f"arn:aws:iam::{account}:role/Boosting",
    PrimaryContainer={
        "Image": image,
        "ModelDataUrl": jobs[3]["ModelArtifacts"]["S3ModelArtifacts"],
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
    time.sleep(0.1)
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=name, ContentType="text/csv", Body=csv(slice(3000, 3600), labelled=False)
)
served = [float(each) for each in answer["Body"].read().split()]
sagemaker.delete_endpoint(EndpointName=name)
print(
    json.dumps(
        {
            "metrics": {
                hosts: {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
                for hosts, job in jobs.items()
            },
            "models": {hosts: model_of(job) for hosts, job in jobs.items()},
            "served": served,
            "rows": rows[3000:].tolist(),
            "labels": labels[3000:].tolist(),
        }
    )
)
