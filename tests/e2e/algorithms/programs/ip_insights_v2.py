"""`sagemaker.IPInsights` as its users write it: CSV on S3 in a record set, train and validation,
an endpoint, the predictor's CSV and JSON, verbose answers. Then boto3 by image URI: two instances,
an endpoint, JSON Lines. Prints one JSON line at the end.
"""

import contextlib
import json

import boto3
import numpy as np
import sagemaker
from botocore.exceptions import WaiterError
from sagemaker import IPInsights, image_uris
from sagemaker.amazon.amazon_estimator import RecordSet
from sklearn.metrics import roc_auc_score

USERS, HOMES = 80, 16
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
s3, client = boto3.client("s3"), boto3.client("sagemaker")
random = np.random.default_rng(11)


def pairs(count, shift=0):
    """Users at their home networks, or with a shift at those of others."""
    users = random.integers(0, USERS, count)
    homes = (users + shift) % HOMES
    return [
        [f"user {user}", f"{30 + home}.4.1.{last}"]
        for user, home, last in zip(users, homes, random.integers(0, 256, count), strict=True)
    ]


def record_set(name, rows, parts=1):
    """Upload rows as CSV in the parts and with the manifest that the SDK's record sets have."""
    prefix = f"s3://{bucket}/ip/{name}/"
    for part in range(parts):
        body = "".join(f"{user}, {address}\n" for user, address in rows[part::parts])
        s3.put_object(Bucket=bucket, Key=f"ip/{name}/part-{part}.csv", Body=body)
    manifest = [{"prefix": prefix}, *(f"part-{part}.csv" for part in range(parts))]
    s3.put_object(Bucket=bucket, Key=f"ip/{name}.manifest", Body=json.dumps(manifest))
    location = f"s3://{bucket}/ip/{name}.manifest"
    return RecordSet(location, num_records=len(rows), feature_dim=2, channel=name)


def area(scores_home, scores_elsewhere):
    labels = [1] * len(scores_home) + [0] * len(scores_elsewhere)
    return roc_auc_score(labels, [*scores_home, *scores_elsewhere])


def ended(name):
    """Wait for a training job; one of them has to fail."""
    waiter = client.get_waiter("training_job_completed_or_stopped")
    with contextlib.suppress(WaiterError):
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})


def in_service(name):
    """Wait for an endpoint."""
    client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})


estimator = IPInsights(
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    num_entity_vectors=2 * USERS,
    vector_dim=16,
    epochs=5,
    learning_rate=0.02,
    batch_metrics_publish_interval=10,
    output_path=f"s3://{bucket}/output",
    sagemaker_session=session,
)
sets = [record_set("train", pairs(8000), parts=2), record_set("validation", pairs(1000))]
# The SDK's own waiting looks every ten and thirty seconds.
estimator.fit(sets, mini_batch_size=400, wait=False)
ended(estimator.latest_training_job.name)
description = estimator.latest_training_job.describe()
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False)
in_service(predictor.endpoint_name)


def dots(rows):
    return [each["dot_product"] for each in predictor.predict(rows)["predictions"]]


home, elsewhere = pairs(500), pairs(500, shift=5)
verbose = predictor.predict(
    np.array(home[:2]), initial_args={"Accept": "application/json; verbose=True"}
)["predictions"]
runtime = boto3.client("sagemaker-runtime")


def refusal(body):
    try:
        runtime.invoke_endpoint(
            EndpointName=predictor.endpoint_name, ContentType="text/csv", Body=body
        )
    except runtime.exceptions.ModelError as error:
        return [error.response["OriginalStatusCode"], error.response["OriginalMessage"]]


found = {
    "status": description["TrainingJobStatus"],
    "metrics": {each["MetricName"]: each["Value"] for each in description["FinalMetricDataList"]},
    "area": area(dots(home), dots(elsewhere)),
    "unknown": dots([["nobody", "31.4.1.9"]]),
    "verbose": [[len(each["entity_embedding"]), len(each["ip_embedding"])] for each in verbose],
    "products": [
        [each["dot_product"], float(np.dot(each["entity_embedding"], each["ip_embedding"]))]
        for each in verbose
    ],
    "refused": refusal("user 1,30.4.1.256"),
}
predictor.delete_model()
predictor.delete_endpoint()


def create(name, instances, **hyperparameters):
    """Train by image URI with boto3; the job's description once it has ended."""
    image = image_uris.retrieve("ipinsights", session.boto_region_name)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/ip/train/"}
    client.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=role,
        HyperParameters={"num_entity_vectors": "200", "vector_dim": "8"} | hyperparameters,
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": source | {"S3DataDistributionType": "ShardedByS3Key"}
                },
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": instances,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 120},
    )
    ended(name)
    return client.describe_training_job(TrainingJobName=name)


settings = {"epochs": "5", "learning_rate": "0.02", "mini_batch_size": "200"}
job = create("ip-two-instances", 2, **settings)
failed = create(
    "ip-no-negatives", 1, random_negative_sampling_rate="0", shuffled_negative_sampling_rate="0"
)

model_name = "ip-jsonlines"
client.create_model(
    ModelName=model_name,
    ExecutionRoleArn=role,
    PrimaryContainer={
        "Image": image_uris.retrieve("ipinsights", session.boto_region_name),
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    },
)
client.create_endpoint_config(
    EndpointConfigName=model_name,
    ProductionVariants=[
        {
            "VariantName": "all",
            "ModelName": model_name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
    ],
)
client.create_endpoint(EndpointName=model_name, EndpointConfigName=model_name)
in_service(model_name)
lines = "\n".join(json.dumps({"features": pair}) for pair in home + elsewhere)
response = runtime.invoke_endpoint(
    EndpointName=model_name,
    ContentType="application/jsonlines",
    Accept="application/jsonlines",
    Body=lines,
)
scores = [json.loads(line)["dot_product"] for line in response["Body"].read().splitlines()]
client.delete_endpoint(EndpointName=model_name)
found |= {
    "two_instances": job["TrainingJobStatus"],
    "answered": len(scores),
    "jsonlines_area": area(scores[:500], scores[500:]),
    "failure": failed.get("FailureReason", ""),
}
# The SDK's progress marks end without a line end.
print()
print(json.dumps(found))
