"""K-Nearest Neighbors by its image's URI: a regression from csv in Pipe mode with compressed rows,
the artefact opened as the documentation says, JSON Lines back. Prints one JSON line at the end.
"""

import io
import json
import tarfile

import boto3
import numpy as np

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/knn:1"
BUCKET = NAME = "knn-by-image"
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/SageMakerRole"

random = np.random.default_rng(0)
rows = random.uniform(-1, 1, size=(4000, 3))
values = np.sin(2 * rows[:, 0]) + rows[:, 1] ** 2


def csv(table: np.ndarray) -> bytes:
    body = io.BytesIO()
    np.savetxt(body, table, delimiter=",", fmt="%.7g")
    return body.getvalue()


def channel(name: str) -> dict:
    return {
        "ChannelName": name,
        "ContentType": "text/csv",
        "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/"}
        },
    }


s3.create_bucket(Bucket=BUCKET)
labelled = np.column_stack([values, rows])
s3.put_object(Bucket=BUCKET, Key="train/0.csv", Body=csv(labelled[:2000]))
s3.put_object(Bucket=BUCKET, Key="train/1.csv", Body=csv(labelled[2000:3500]))
s3.put_object(Bucket=BUCKET, Key="test/0.csv", Body=csv(labelled[3500:]))
sagemaker.create_training_job(
    TrainingJobName=NAME,
    AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
    RoleArn=role,
    HyperParameters={
        "feature_dim": "3",
        "k": "5",
        "sample_size": "3000",
        "predictor_type": "regressor",
        "index_type": "faiss.IVFPQ",
        "faiss_index_pq_m": "4",
    },
    InputDataConfig=[channel("train"), channel("test")],
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
    metadata = json.load(archive.extractfile("model_algo-1.json"))
    sampled = np.frombuffer(archive.extractfile("model_algo-1.labels").read(), "<f4")

container = {"Image": IMAGE, "ModelDataUrl": artefact}
sagemaker.create_model(ModelName=NAME, ExecutionRoleArn=role, PrimaryContainer=container)
variant = {"VariantName": "all", "ModelName": NAME, "InitialInstanceCount": 1}
sagemaker.create_endpoint_config(
    EndpointConfigName=NAME, ProductionVariants=[variant | {"InstanceType": "ml.m5.large"}]
)
sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 1})
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=NAME,
    ContentType="text/csv",
    Accept="application/jsonlines",
    Body=csv(rows[3500:]),
)
lines = answer["Body"].read().splitlines()
sagemaker.delete_endpoint(EndpointName=NAME)
found = np.array([json.loads(line)["predicted_label"] for line in lines if line])
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "metrics": {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]},
            "metadata": metadata,
            "sampled": len(sampled),
            "error": float(((found - values[3500:]) ** 2).mean()),
            "variance": float(values[3500:].var()),
        }
    )
)
