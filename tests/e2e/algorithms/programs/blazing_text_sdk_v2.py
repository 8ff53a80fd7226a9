"""BlazingText as AWS's notebooks use it with SDK v2: image URI, generic estimator, endpoint.

Trains word vectors, then a classifier from an augmented manifest in a pipe, and asks both. Prints
one JSON line at the end.
"""

import json
import random

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import JSONSerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
region = session.boto_region_name
image = sagemaker.image_uris.retrieve("blazingtext", region)
chooser = random.Random(0)


def sentence(topic: int) -> str:
    own = [f"t{topic}w{chooser.randrange(8)}" for _ in range(8)]
    return " ".join([*own, *(f"any{chooser.randrange(6)}" for _ in range(3))])


def uploaded(name: str, lines: list[str]) -> str:
    return session.upload_string_as_file_body("\n".join([*lines, ""]), bucket, f"blazing/{name}")


def estimator(**hyperparameters: object) -> sagemaker.estimator.Estimator:
    made = sagemaker.estimator.Estimator(
        image,
        role,
        instance_count=1,
        instance_type="ml.c5.xlarge",
        output_path=f"s3://{bucket}/blazing/output",
        sagemaker_session=session,
    )
    made.set_hyperparameters(**hyperparameters)
    return made


topics = [row % 3 for row in range(900)]
plain = uploaded("plain.txt", [sentence(topic) for topic in topics])
word_vectors = estimator(
    mode="skipgram", epochs=10, min_count=1, vector_dim=16, subwords=True, buckets=2000,
    sampling_threshold=1, evaluation=False,
)  # fmt: skip
word_vectors.fit(
    {"train": TrainingInput(plain, distribution="FullyReplicated", content_type="text/plain")}
)

manifest = uploaded(
    "train.manifest",
    [json.dumps({"source": sentence(topic), "label": topic}) for topic in topics],
)
held_out = [row % 3 for row in range(90)]
texts = [sentence(topic) for topic in held_out]
validation = uploaded(
    "validation.manifest",
    [
        json.dumps({"source": text, "label": topic})
        for topic, text in zip(held_out, texts, strict=True)
    ],
)


def augmented(uri: str) -> TrainingInput:
    return TrainingInput(
        uri,
        distribution="FullyReplicated",
        content_type="application/jsonlines",
        s3_data_type="AugmentedManifestFile",
        attribute_names=["source", "label"],
        input_mode="Pipe",
        record_wrapping="RecordIO",
    )


classifier = estimator(
    mode="supervised", epochs=10, min_count=2, learning_rate=0.3, vector_dim=10,
    early_stopping=True, patience=4, min_epochs=5, word_ngrams=2, buckets=5000,
)  # fmt: skip
classifier.fit({"train": augmented(manifest), "validation": augmented(validation)})
metrics = session.sagemaker_client.describe_training_job(
    TrainingJobName=classifier.latest_training_job.name
)["FinalMetricDataList"]


def deployed(trained: sagemaker.estimator.Estimator) -> sagemaker.predictor.Predictor:
    made = trained.deploy(
        initial_instance_count=1,
        instance_type="ml.c5.xlarge",
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        # The SDK looks twice a minute.
        wait=False,
    )
    session.sagemaker_client.get_waiter("endpoint_in_service").wait(
        EndpointName=made.endpoint_name, WaiterConfig={"Delay": 1}
    )
    return made


predictor = deployed(classifier)
labels = predictor.predict({"instances": texts, "configuration": {"k": 2}})
# What batch transform would send.
lines = session.sagemaker_runtime_client.invoke_endpoint(
    EndpointName=predictor.endpoint_name,
    ContentType="application/jsonlines",
    Accept="application/jsonlines",
    Body="\n".join(json.dumps({"source": text, "k": 3}) for text in texts),
)["Body"].read()
predictor.delete_model()
predictor.delete_endpoint()
predictor = deployed(word_vectors)
vectors = predictor.predict({"instances": ["t0w1", "t0w2", "t1w1", "t0w11"]})
predictor.delete_model()
predictor.delete_endpoint()

print()
print(
    json.dumps(
        {
            "image": image,
            "labels": labels,
            "vectors": vectors,
            "lines": [json.loads(line) for line in lines.splitlines()],
            "metrics": {each["MetricName"]: each["Value"] for each in metrics},
            "expected": [f"__label__{topic}" for topic in held_out],
        }
    )
)
