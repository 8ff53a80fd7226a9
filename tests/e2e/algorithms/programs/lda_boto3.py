"""LDA by its image's URI: sparse records through a pipe, an endpoint that is asked with sparse and
dense JSON; and CSV through a pipe, which LDA refuses. Prints one JSON line at the end.
"""

import io
import json

import boto3
import numpy as np
import scipy.sparse
from sagemaker.amazon.common import write_spmatrix_to_sparse_tensor

IMAGE = "766337827248.dkr.ecr.us-east-1.amazonaws.com/lda:1"
BUCKET = NAME = "lda-by-image"
VOCABULARY = 3000
s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
account = boto3.client("sts").get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/SageMakerRole"

# Three topics that share no word: each has a thousand.
random = np.random.default_rng(0)
kind = random.integers(0, 3, 1500)
chosen = np.concatenate([random.integers(0, 1000, 60) + 1000 * each for each in kind])
documents = np.repeat(np.arange(1500), 60)
ones = np.ones(chosen.size, np.float32)
counts = scipy.sparse.csr_matrix((ones, (documents, chosen)), shape=(1500, VOCABULARY))
body = io.BytesIO()
write_spmatrix_to_sparse_tensor(body, counts)
s3.create_bucket(Bucket=BUCKET)
s3.put_object(Bucket=BUCKET, Key="train/0.pbr", Body=body.getvalue())
s3.put_object(Bucket=BUCKET, Key="csv/0.csv", Body=b"1,2,3\n" * 9)


def train(name: str, prefix: str, content_type: str) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}/"}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
        RoleArn=role,
        HyperParameters={
            "num_topics": "3",
            "feature_dim": str(VOCABULARY),
            "mini_batch_size": "1500",
        },
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": content_type,
                "DataSource": {"S3DataSource": source},
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
        ResourceConfig={"InstanceType": "ml.c4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    try:
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
    except Exception as error:
        if "terminal failure" not in str(error):
            raise
    return sagemaker.describe_training_job(TrainingJobName=name)


refused = train(f"{NAME}-refused", "csv", "text/csv")
job = train(NAME, "train", "application/x-recordio-protobuf")
sagemaker.create_model(
    ModelName=NAME,
    ExecutionRoleArn=role,
    PrimaryContainer={"Image": IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]},
)
variant = {"VariantName": "all", "ModelName": NAME, "InstanceType": "ml.c4.xlarge"}
sagemaker.create_endpoint_config(
    EndpointConfigName=NAME, ProductionVariants=[variant | {"InitialInstanceCount": 1}]
)
sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 1})


def mixtures(instances: list) -> list:
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=NAME,
        ContentType="application/json",
        Body=json.dumps({"instances": instances}),
    )
    return [each["topic_mixture"] for each in json.load(answer["Body"])["predictions"]]


asked = counts[:30]
sparse = [
    {
        "data": {
            "features": {
                "keys": row.indices.tolist(),
                "shape": [VOCABULARY],
                "values": row.data.tolist(),
            }
        }
    }
    for row in asked
]
dense = [{"features": row} for row in asked.toarray().tolist()]
found = mixtures(sparse), mixtures(dense)
sagemaker.delete_endpoint(EndpointName=NAME)
print(
    json.dumps(
        {
            "status": job["TrainingJobStatus"],
            "refused": refused.get("FailureReason", ""),
            "kinds": kind[:30].tolist(),
            "sparse": found[0],
            "dense": found[1],
        }
    )
)
