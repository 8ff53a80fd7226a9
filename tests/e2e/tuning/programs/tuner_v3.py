"""A program for the SageMaker SDK v3: HyperparameterTuner over a ModelTrainer. Prints one line."""

import json

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.resources import HyperParameterTuningJob
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, StoppingCondition
from sagemaker.train.tuner import HyperparameterTuner
from sklearn.datasets import load_breast_cancer

session = Session()
bucket = session.default_bucket()
X, y = load_breast_cancer(return_X_y=True)
s3 = boto3.client("s3")
for name, rows in (("train", slice(0, 400)), ("validation", slice(400, 500))):
    lines = (
        ",".join(f"{v:g}" for v in (label, *row))
        for row, label in zip(X[rows], y[rows], strict=True)
    )
    s3.put_object(Bucket=bucket, Key=f"tuned-v3/{name}/data.csv", Body="\n".join(lines))

trainer = ModelTrainer(
    training_image=image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
    role=get_execution_role(),
    sagemaker_session=session,
    base_job_name="tuned-v3",
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/output"),
    hyperparameters={"objective": "binary:logistic", "num_round": 10, "eval_metric": "auc"},
)
channels = [
    InputData(channel_name=name, data_source=f"s3://{bucket}/tuned-v3/{name}/",
              content_type="text/csv")
    for name in ("train", "validation")
]  # fmt: skip
tuner = HyperparameterTuner(
    trainer,
    "validation:auc",
    {"eta": ContinuousParameter(0.05, 0.5), "max_depth": IntegerParameter(1, 6)},
    strategy="Random",
    max_jobs=3,
    max_parallel_jobs=2,
    random_seed=3,
)
tuner.tune(channels, wait=True)
job = tuner.describe()
found = HyperParameterTuningJob.get(job.hyper_parameter_tuning_job_name)
names = [each.hyper_parameter_tuning_job_name for each in HyperParameterTuningJob.get_all()]
trials = list(found.get_all_training_jobs())
print()
print(
    json.dumps(
        {
            "status": found.hyper_parameter_tuning_job_status,
            "best": tuner.best_training_job(),
            "listed": found.hyper_parameter_tuning_job_name in names,
            "trials": len(trials),
        }
    )
)
