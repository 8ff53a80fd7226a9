"""The SDK v3's TransformJob: created, waited for, read back and listed."""

import json

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Model, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    DataProcessing,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig

session = Session()
role, bucket = get_execution_role(), session.default_bucket()
rows = np.random.default_rng(0).normal(size=(200, 3)).round(3) + 10 * (np.arange(200)[:, None] % 2)
csv = "\n".join(",".join(map(str, row)) for row in rows.tolist())
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="v3/rows/data.csv", Body=csv)
image = image_uris.retrieve("kmeans", session.boto_region_name)
trainer = ModelTrainer(
    training_image=image,
    role=role,
    sagemaker_session=session,
    base_job_name="transform-v3",
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/v3/models"),
    hyperparameters={"k": 2, "feature_dim": 3, "mini_batch_size": 100},
)
data = InputData(
    channel_name="train",
    data_source=f"s3://{bucket}/v3/rows/",
    content_type="text/csv;label_size=0",
)
trainer.train(input_data_config=[data], wait=True, logs=False)
artefact = trainer._latest_training_job.refresh().model_artifacts.s3_model_artifacts
Model.create(
    model_name="transform-v3",
    primary_container=ContainerDefinition(image=image, model_data_url=artefact),
    execution_role_arn=role,
)
job = TransformJob.create(
    transform_job_name="transform-v3",
    model_name="transform-v3",
    transform_input=TransformInput(
        data_source=TransformDataSource(
            s3_data_source=TransformS3DataSource(
                s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/v3/rows/"
            )
        ),
        content_type="text/csv",
        split_type="Line",
    ),
    transform_output=TransformOutput(
        s3_output_path=f"s3://{bucket}/v3/out", accept="text/csv", assemble_with="Line"
    ),
    transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
    data_processing=DataProcessing(join_source="Input"),
)
job.wait(poll=1)
body = s3.get_object(Bucket=bucket, Key="v3/out/data.csv.out")["Body"].read().decode()
joined = [[float(value) for value in line.split(",")] for line in body.splitlines()]
print()
print(
    json.dumps(
        {
            "status": job.refresh().transform_job_status,
            "listed": [each.transform_job_name for each in TransformJob.get_all()],
            "kept": np.array_equal(np.array(joined)[:, :3], rows),
            "clusters": [len({row[3] for row in joined[i::2]}) for i in range(2)],
        }
    )
)
