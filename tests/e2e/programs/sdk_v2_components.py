"""Two models of the SageMaker SDK v2 as inference components on one endpoint.
Prints one JSON line at the end.
"""

import json
import time

import numpy as np
import sagemaker
from sagemaker import KMeans
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.deserializers import JSONDeserializer
from sagemaker.enums import EndpointType
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

# The SDK sleeps 20 to 30 seconds before it looks for the first time.
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.5))
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
data = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
estimator = KMeans(
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    k=2,
    output_path=f"s3://{bucket}/shared",
    sagemaker_session=session,
)
estimator.fit(estimator.record_set(data), mini_batch_size=100, logs=False)


def deployed(copies):
    model = estimator.create_model()
    model.predictor_cls = Predictor
    return model.deploy(
        endpoint_name="sdk-shared",
        endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
        initial_instance_count=1,
        instance_type="ml.m5.large",
        resources=ResourceRequirements(
            requests={"num_cpus": 0.5, "memory": 1024, "copies": copies},
            limits={"memory": 2048},
        ),
        serializer=CSVSerializer(),
        deserializer=JSONDeserializer(),
    )


predictors = [deployed(1), deployed(2)]
counts = [
    len(each.predict(data[:number])["predictions"]) for number, each in enumerate(predictors, 3)
]
listed, _ = predictors[0].list_related_models()
told = session.describe_inference_component(predictors[1].component_name)
for each in predictors:
    each.delete_predictor()
# The SDK has printed how it waits, without a line's end.
print()
print(
    json.dumps(
        {
            "counts": counts,
            "listed": sorted(one["InferenceComponentName"] for one in listed),
            "names": sorted(each.component_name for each in predictors),
            "copies": told["RuntimeConfig"]["CurrentCopyCount"],
            "required": told["Specification"]["ComputeResourceRequirements"],
        }
    )
)
