"""The two ways of the SageMaker SDK v2 to serve what is asked rarely: asynchronous and serverless.
Prints one JSON line at the end.
"""

import json

import numpy as np
import sagemaker
from sagemaker import KMeans
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer, StringDeserializer
from sagemaker.exceptions import AsyncInferenceModelError
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.serverless import ServerlessInferenceConfig

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
random = np.random.default_rng(0)
data = random.normal(size=(200, 2)).astype("float32")
estimator = KMeans(
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    k=2,
    output_path=f"s3://{bucket}/rare",
    sagemaker_session=session,
)
estimator.fit(estimator.record_set(data), mini_batch_size=100, logs=False)


def created(name, **how):
    model = estimator.create_model()
    model.predictor_cls = Predictor
    return model.deploy(
        endpoint_name=name,
        serializer=CSVSerializer(),
        deserializer=JSONDeserializer(),
        **how,
    )


later = created(
    "sdk-later",
    initial_instance_count=1,
    instance_type="ml.m5.large",
    async_inference_config=AsyncInferenceConfig(
        output_path=f"s3://{bucket}/later", failure_path=f"s3://{bucket}/later-failures"
    ),
)
patience = WaiterConfig(delay=1, max_attempts=30)
answer = later.predict(data=data[:3], waiter_config=patience)
pending = later.predict_async(data=data[:5])
second = pending.get_result(patience)
# The model's refusal is text; the SDK reads failures as it reads answers.
later.deserializer = StringDeserializer()
try:
    later.predict(data="no,number", waiter_config=patience)
    refused = ""
except AsyncInferenceModelError as error:
    refused = str(error)
later.delete_endpoint()

rare = created(
    "sdk-rare",
    serverless_inference_config=ServerlessInferenceConfig(
        memory_size_in_mb=1024, max_concurrency=2
    ),
)
third = rare.predict(data[:4])
described = session.sagemaker_client.describe_endpoint(EndpointName="sdk-rare")
rare.delete_endpoint()
# The SDK's progress marks end without a line end.
print()
print(
    json.dumps(
        {
            "counts": [len(given["predictions"]) for given in (answer, second, third)],
            "refused": refused,
            "serverless": described["ProductionVariants"][0]["CurrentServerlessConfig"],
        }
    )
)
