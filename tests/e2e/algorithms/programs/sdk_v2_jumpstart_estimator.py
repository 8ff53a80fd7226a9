"""JumpStartEstimator of the SageMaker SDK v2: nothing but a model id. Prints one JSON line."""

import json
import os

import sagemaker
from sagemaker.jumpstart.estimator import JumpStartEstimator

session = sagemaker.Session()
data = f"s3://jumpstart-cache-prod-{session.boto_region_name}/training-datasets/tabular_regress"
estimator = JumpStartEstimator(
    model_id=os.environ["MODEL_ID"],
    hyperparameters={os.environ["ROUNDS"]: "300"},
    role=sagemaker.get_execution_role(),
    sagemaker_session=session,
)
# The SDK's own waits look every 10 and 30 seconds.
estimator.fit({os.environ["CHANNEL"]: data}, wait=False)
session.logs_for_job(estimator.latest_training_job.name, wait=True, poll=0.2)
predictor = estimator.deploy(instance_type="ml.m5.large", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
answer = predictor.predict("1,0,0,0,0,0,0,0\n-1,0,0,0,0,0,0,0")
predictor.delete_predictor()
print()
print(
    json.dumps(
        {
            "status": estimator.latest_training_job.describe()["TrainingJobStatus"],
            "answer": answer,
        }
    )
)
