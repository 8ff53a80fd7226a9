"""A program for the SageMaker SDK v3: ModelTrainer with a built-in image and logs streamed,
ModelBuilder, invoke, delete. Prints one JSON line at the end.
"""

import json

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, StoppingCondition
from sklearn.datasets import load_breast_cancer

session = Session()
role = get_execution_role()
bucket = session.default_bucket()
X, y = load_breast_cancer(return_X_y=True)


def csv(rows: slice, *, labels: bool) -> str:
    lines = (
        ",".join(f"{value:g}" for value in ([label, *row] if labels else row))
        for row, label in zip(X[rows], y[rows], strict=True)
    )
    return "\n".join(lines)


s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="train/data.csv", Body=csv(slice(0, 400), labels=True))
s3.put_object(Bucket=bucket, Key="validation/data.csv", Body=csv(slice(400, 500), labels=True))
image = image_uris.retrieve("xgboost", session.boto_region_name, version="3.0-5")

trainer = ModelTrainer(
    training_image=image,
    role=role,
    sagemaker_session=session,
    base_job_name="xgboost-v3",
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/output"),
    hyperparameters={"objective": "binary:logistic", "num_round": 10, "eval_metric": "auc"},
)
channels = [
    InputData(channel_name=name, data_source=f"s3://{bucket}/{name}/", content_type="text/csv")
    for name in ("train", "validation")
]
trainer.train(input_data_config=channels, wait=True, logs=True)
job = trainer._latest_training_job
job.refresh()

builder = ModelBuilder(
    model=trainer,
    image_uri=image,
    role_arn=role,
    sagemaker_session=session,
    instance_type="ml.m5.large",
)
model = builder.build(model_name="xgboost-v3-model")
endpoint = builder.deploy(endpoint_name="xgboost-v3-endpoint")
answer = endpoint.invoke(
    body=csv(slice(500, 569), labels=False), content_type="text/csv", accept="application/json"
)
scores = [item["score"] for item in json.loads(answer.body.read())["predictions"]]
accuracy = sum((score > 0.5) == bool(label) for score, label in zip(scores, y[500:], strict=True))

# The plain resource classes check every answer against its shape, too.
names = {
    "models": [item.model_name for item in Model.get_all()],
    "configs": [item.endpoint_config_name for item in EndpointConfig.get_all()],
    "endpoints": [item.endpoint_name for item in Endpoint.get_all()],
}
ContainerDefinition(image=image)
ProductionVariant(variant_name="AllTraffic", model_name=model.model_name)
Endpoint.get("xgboost-v3-endpoint").delete()
Model.get("xgboost-v3-model").delete()
# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "status": job.training_job_status,
            "metrics": {item.metric_name: item.value for item in job.final_metric_data_list},
            "accuracy": accuracy / len(scores),
            "rows": len(scores),
            **names,
        }
    )
)
