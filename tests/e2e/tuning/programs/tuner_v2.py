"""A program for the SageMaker SDK v2: HyperparameterTuner in all its ways. Prints one JSON line."""

import json
import time

import boto3
import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sagemaker.tuner import (
    ContinuousParameter,
    HyperparameterTuner,
    IntegerParameter,
)
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
X, y = load_breast_cancer(return_X_y=True)
s3 = boto3.client("s3")
for name, rows in (("train", slice(0, 400)), ("validation", slice(400, 500))):
    lines = (
        ",".join(f"{v:g}" for v in (label, *row))
        for row, label in zip(X[rows], y[rows], strict=True)
    )
    s3.put_object(Bucket=bucket, Key=f"tuned/{name}/data.csv", Body="\n".join(lines))
inputs = {
    name: TrainingInput(f"s3://{bucket}/tuned/{name}/", content_type="text/csv")
    for name in ("train", "validation")
}


def estimator(algorithm: str, **hyperparameters: object) -> Estimator:
    versions = {"xgboost": "1.7-1"}
    made = Estimator(
        image_uris.retrieve(algorithm, session.boto_region_name, versions.get(algorithm)),
        role,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{bucket}/out",
        sagemaker_session=session,
    )
    made.set_hyperparameters(**hyperparameters)
    return made


def end(tuner: HyperparameterTuner) -> dict[str, object]:
    """Wait as the SDK does, which asks every five seconds, only sooner."""
    while tuner.describe()["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
        time.sleep(0.1)
    return dict(tuner.describe())


def trees(**hyperparameters: object) -> Estimator:
    return estimator(
        "xgboost", objective="binary:logistic", num_round=10, eval_metric="auc", **hyperparameters
    )


RANGES = {
    "eta": ContinuousParameter(0.05, 0.5, scaling_type="Logarithmic"),
    "max_depth": IntegerParameter(1, 6),
}
tuner = HyperparameterTuner(
    trees(), "validation:auc", RANGES, max_jobs=4, max_parallel_jobs=2, random_seed=5,
    early_stopping_type="Auto",
)  # fmt: skip
# Named here: the SDK's own names tell minutes only, and jobs do not last one.
tuner.fit(inputs, job_name="tuned-first", wait=True)
frame = tuner.analytics().dataframe()
best = tuner.best_training_job()

predictor = tuner.deploy(1, "ml.m5.large", serializer=CSVSerializer())
answer = predictor.predict(X[500:]).decode()
scores = [float(each) for each in answer.replace("\n", ",").strip(",").split(",")]
accuracy = sum(
    (score > 0.5) == bool(label) for score, label in zip(scores, y[500:], strict=True)
) / len(scores)
predictor.delete_endpoint()

same = tuner.identical_dataset_and_algorithm_tuner()
same.max_jobs = 1
same.fit(inputs, job_name="tuned-same", wait=False)
end(same)
other = tuner.transfer_learning_tuner(estimator=trees())
other.max_jobs = 1
other.fit(inputs, job_name="tuned-other", wait=False)
end(other)

several = HyperparameterTuner.create(
    estimator_dict={
        "trees": trees(),
        "linear": estimator(
            "linear-learner", predictor_type="binary_classifier", epochs=2, mini_batch_size=100
        ),
    },
    objective_metric_name_dict={
        "trees": "validation:auc",
        "linear": "validation:roc_auc_score",
    },
    hyperparameter_ranges_dict={
        "trees": RANGES,
        "linear": {"learning_rate": ContinuousParameter(0.001, 0.1)},
    },
    strategy="Random",
    max_jobs=4,
    max_parallel_jobs=2,
)
several.fit(
    {"trees": inputs, "linear": inputs},
    job_name="tuned-several",
    include_cls_metadata={},
    wait=False,
)
end(several)

# What is not kept static is a hint about where to search.
automatic = HyperparameterTuner(
    trees(eta=0.2), "validation:auc", {}, autotune=True, max_jobs=2, max_parallel_jobs=2,
    hyperparameters_to_keep_static=["objective", "num_round", "eval_metric"],
)  # fmt: skip
automatic.fit(inputs, job_name="tuned-automatic", wait=False)
chosen = end(automatic)

# A later session finds its tuner by the job's name, and deploys from there.
attached = HyperparameterTuner.attach("tuned-several")
attached_single = HyperparameterTuner.attach(tuner.latest_tuning_job.name)

halted = HyperparameterTuner(trees(), "validation:auc", RANGES, max_jobs=50)
halted.fit(inputs, job_name="tuned-halted", wait=False)
halted.stop_tuning_job()
end(halted)

# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "columns": sorted(frame.columns),
            "values": frame["FinalObjectiveValue"].tolist(),
            "names": frame["TrainingJobName"].tolist(),
            "best": best,
            "accuracy": accuracy,
            "overall": same.describe()["OverallBestTrainingJob"]["TuningJobName"],
            "warm": [each.describe()["HyperParameterTuningJobStatus"] for each in (same, other)],
            "attached": [attached.best_training_job(), attached_single.best_training_job()],
            "attached_to": sorted(attached.estimator_dict),
            "attached_hyperparameters": sorted(attached_single.estimator.hyperparameters()),
            "tuned": tuner.latest_tuning_job.name,
            "several": sorted(
                each["TrainingJobDefinitionName"]
                for each in several.analytics().training_job_summaries()
            ),
            "several_best": several.best_training_job(),
            "several_objectives": several.describe()["ObjectiveStatusCounters"],
            "automatic": chosen["ObjectiveStatusCounters"],
            "automatic_ranges": sorted(
                each["Name"]
                for kind in chosen["HyperParameterTuningJobConfig"]["ParameterRanges"].values()
                for each in kind
            ),
            "halted": halted.describe()["HyperParameterTuningJobStatus"],
        }
    )
)
