"""The SDK v2's transformer: of an estimator, with a join and a filter, and of a model's name."""

import json

import boto3
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.transformer import Transformer
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
bucket = session.default_bucket()
X, y = load_breast_cancer(return_X_y=True)


def csv(first: int, last: int, *, before: str) -> str:
    """Rows with their number or their label in front."""
    return "\n".join(
        ",".join([str(number if before == "number" else y[number]), *map(repr, X[number].tolist())])
        for number in range(first, last)
    )


train = session.upload_string_as_file_body(csv(0, 400, before="label"), bucket, "v2/train.csv")
rows = session.upload_string_as_file_body(csv(400, 569, before="number"), bucket, "v2/rows/a.csv")
estimator = Estimator(
    sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
    sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{bucket}/v2/models",
    hyperparameters={"objective": "binary:logistic", "num_round": 20},
    sagemaker_session=session,
)
estimator.fit({"train": TrainingInput(train, content_type="text/csv")}, logs=False)

transformer = estimator.transformer(
    instance_count=1,
    instance_type="ml.m5.large",
    strategy="MultiRecord",
    assemble_with="Line",
    accept="text/csv",
    output_path=f"s3://{bucket}/v2/joined",
    env={"GREETING": "hello"},
)
transformer.transform(
    f"s3://{bucket}/v2/rows",
    content_type="text/csv",
    split_type="Line",
    input_filter="$[1:]",
    join_source="Input",
    output_filter="$[0,-1]",
    model_client_config={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
    logs=True,
)
s3 = boto3.client("s3")
joined = s3.get_object(Bucket=bucket, Key="v2/joined/a.csv.out")["Body"].read().decode()

named = Transformer(
    transformer.model_name,
    instance_count=2,
    instance_type="ml.m5.large",
    strategy="SingleRecord",
    assemble_with="Line",
    accept="text/csv",
    max_concurrent_transforms=4,
    max_payload=1,
    sagemaker_session=session,
)
named.transform(
    rows, content_type="text/csv", split_type="Line", input_filter="$[1:]", wait=False, logs=False
)
named.wait(logs=False)
prefix = named.output_path.partition(f"{bucket}/")[2]
alone = s3.get_object(Bucket=bucket, Key=f"{prefix}/a.csv.out")["Body"].read().decode()
attached = Transformer.attach(transformer.latest_transform_job.job_name, session)
pairs = [line.split(",") for line in joined.splitlines()]
print(
    json.dumps(
        {
            "numbers": [int(number) for number, _ in pairs],
            "accuracy": sum((float(p) > 0.5) == y[int(n)] for n, p in pairs) / len(pairs),
            "same": [line.split(",")[1] for line in joined.splitlines()] == alone.splitlines(),
            "attached": attached.accept,
        },
        default=bool,
    )
)
