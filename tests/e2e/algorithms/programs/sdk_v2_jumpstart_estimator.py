"""JumpStartEstimator of the SageMaker SDK v2: nothing but a model id. Prints one JSON line."""

import json
import os

import sagemaker
from sagemaker.jumpstart.estimator import JumpStartEstimator

session = sagemaker.Session()
data = f"s3://jumpstart-cache-prod-{session.boto_region_name}/training-datasets/tabular_regression"
estimator = JumpStartEstimator(
    model_id=os.environ["MODEL_ID"],
    hyperparameters={os.environ["ROUNDS"]: "300"},
    role=sagemaker.get_execution_role(),
    sagemaker_session=session,
)
estimator.fit({os.environ["CHANNEL"]: data})
predictor = estimator.deploy(instance_type="ml.m5.large")
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
