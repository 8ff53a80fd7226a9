"""The developer guide's notebook for a model id, with the SageMaker SDK v2: image, script, model
and hyperparameters retrieved, an Estimator fitted on the sample data, deployed with the retrieved
inference script, asked in CSV. Prints one JSON line at the end.
"""

import json
import os

import boto3
import numpy as np
import sagemaker
from sagemaker import hyperparameters, image_uris, model_uris, script_uris
from sagemaker.estimator import Estimator

model_id = os.environ["MODEL_ID"]
rounds = os.environ["ROUNDS"]
channel = os.environ["CHANNEL"]
dataset = os.environ["DATASET"]
session = sagemaker.Session()
region = session.boto_region_name
instance_type = "ml.m5.xlarge"


def retrieved(scope):
    image = image_uris.retrieve(
        region=None,
        framework=None,
        model_id=model_id,
        model_version="*",
        image_scope=scope,
        instance_type=instance_type,
    )
    script = script_uris.retrieve(model_id=model_id, model_version="*", script_scope=scope)
    return image, script


train_image, train_script = retrieved("training")
values = hyperparameters.retrieve_default(model_id=model_id, model_version="*")
values |= {rounds: "400", "learning_rate": "0.05"}
hyperparameters.validate(model_id=model_id, model_version="*", hyperparameters=values)
data = f"s3://jumpstart-cache-prod-{region}/training-datasets/{dataset}"
estimator = Estimator(
    role=sagemaker.get_execution_role(),
    image_uri=train_image,
    source_dir=train_script,
    model_uri=model_uris.retrieve(model_id=model_id, model_version="*", model_scope="training"),
    entry_point="transfer_learning.py",
    instance_count=1,
    instance_type=instance_type,
    max_run=3600,
    hyperparameters=values,
    output_path=f"s3://{session.default_bucket()}/output",
    sagemaker_session=session,
)
# The SDK's own waits look every 10 and 30 seconds.
estimator.fit({channel: f"{data}/train", "validation": f"{data}/validation"}, wait=False)
session.logs_for_job(estimator.latest_training_job.name, wait=True, poll=0.2)

deploy_image, deploy_script = retrieved("inference")
predictor = estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    entry_point="inference.py",
    image_uri=deploy_image,
    source_dir=deploy_script,
    wait=False,
)
session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
test = (
    boto3.client("s3")
    .get_object(
        Bucket=f"jumpstart-cache-prod-{region}", Key=f"training-datasets/{dataset}/test/data.csv"
    )["Body"]
    .read()
)
rows = np.array([line.split(",") for line in test.decode().split()], float)
body = "\n".join(",".join(map(str, row)) for row in rows[:, 1:].tolist())
client = boto3.client("sagemaker-runtime")


def ask(**accept):
    answer = client.invoke_endpoint(
        EndpointName=predictor.endpoint_name, ContentType="text/csv", Body=body, **accept
    )
    return json.loads(answer["Body"].read())


plain, verbose = ask(), ask(Accept="application/json;verbose")
predictor.delete_model()
predictor.delete_endpoint()
description = estimator.latest_training_job.describe()
print()
print(
    json.dumps(
        {
            "status": description["TrainingJobStatus"],
            "image": train_image,
            "script": train_script,
            "metrics": [each["MetricName"] for each in description["FinalMetricDataList"]],
            "plain": plain,
            "verbose": verbose,
            "truth": rows[:, 0].tolist(),
        }
    )
)
