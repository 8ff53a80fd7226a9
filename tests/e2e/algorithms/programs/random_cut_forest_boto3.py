"""Random Cut Forest by its image's URI: csv in Pipe mode, labelled test data, an endpoint
that answers JSON Lines. Prints one JSON line at the end.
"""

import io
import json

import boto3
import numpy as np

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/randomcutforest:1"
BUCKET = NAME = "forest-by-image"
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/SageMakerRole"

# A daily rhythm by the half hour, seen through a window of a day, and ten hours out of step.
random = np.random.default_rng(1)
series = 10 + 5 * np.sin(np.arange(4000) * 2 * np.pi / 48) + random.normal(scale=0.3, size=4000)
broken = np.arange(3000, 3020)
series[broken] = 10 + random.normal(scale=0.3, size=20)
windows = np.lib.stride_tricks.sliding_window_view(series, 48)
labels = np.array([np.isin(np.arange(first, first + 48), broken).any() for first in range(3953)])


def csv(table: np.ndarray) -> bytes:
    body = io.BytesIO()
    np.savetxt(body, table, delimiter=",", fmt="%.7g")
    return body.getvalue()


s3.create_bucket(Bucket=BUCKET)
s3.put_object(Bucket=BUCKET, Key="train/0.csv", Body=csv(windows[:1500]))
s3.put_object(Bucket=BUCKET, Key="train/1.csv", Body=csv(windows[1500:2900]))
s3.put_object(Bucket=BUCKET, Key="test/0.csv", Body=csv(np.column_stack([labels, windows])))


def channel(name: str, content_type: str, distribution: str) -> dict:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{BUCKET}/{name}/",
        "S3DataDistributionType": distribution,
    }
    return {
        "ChannelName": name,
        "ContentType": content_type,
        "DataSource": {"S3DataSource": source},
    }


def train(name: str, distribution: str) -> dict:
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
        RoleArn=role,
        HyperParameters={"feature_dim": "48", "num_trees": "50", "num_samples_per_tree": "50"},
        InputDataConfig=[
            channel("train", "text/csv;label_size=0", distribution),
            channel("test", "text/csv;label_size=1", "FullyReplicated"),
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    try:
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
    except Exception as error:
        if "terminal failure" not in str(error):
            raise
    return sagemaker.describe_training_job(TrainingJobName=name)


refused = train(f"{NAME}-refused", "FullyReplicated")
job = train(NAME, "ShardedByS3Key")
sagemaker.create_model(
    ModelName=NAME,
    ExecutionRoleArn=role,
    PrimaryContainer={"Image": IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]},
)
sagemaker.create_endpoint_config(
    EndpointConfigName=NAME,
    ProductionVariants=[
        {
            "VariantName": "all",
            "ModelName": NAME,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
    ],
)
sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 1})
body = (
    boto3.client("sagemaker-runtime")
    .invoke_endpoint(
        EndpointName=NAME,
        ContentType="text/csv",
        Accept="application/jsonlines",
        Body=csv(windows[2900:]),
    )["Body"]
    .read()
)
sagemaker.delete_endpoint(EndpointName=NAME)
scores = np.array([json.loads(line)["score"] for line in body.splitlines() if line])
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "refused": refused.get("FailureReason", ""),
            "metrics": {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]},
            "scores": len(scores),
            "highest": int(2900 + scores.argmax()),
            "auc": float((scores[labels[2900:], None] > scores[~labels[2900:]]).mean()),
        }
    )
)
