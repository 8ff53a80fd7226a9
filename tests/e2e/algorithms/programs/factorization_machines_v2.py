"""`sagemaker.FactorizationMachines`: ratings as dense record sets through File mode, and clicks as
sparse records through Pipe mode; the SDK's records and sparse JSON at the endpoints; embeddings
from the artefact. Prints one JSON line at the end.
"""

import io
import json
import tarfile
import zipfile

import boto3
import numpy as np
import sagemaker
from sagemaker import FactorizationMachines
from sagemaker.amazon.amazon_estimator import RecordSet
from sagemaker.amazon.common import write_spmatrix_to_sparse_tensor
from sagemaker.amazon.factorization_machines import FactorizationMachinesPredictor
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import JSONSerializer
from scipy import sparse

USERS, ITEMS, ROWS, NOISE = 50, 30, 6000, 0.2
WIDTH = USERS + ITEMS
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
random = np.random.default_rng(2)
users, items = random.integers(USERS, size=ROWS), random.integers(ITEMS, size=ROWS)
factors = random.normal(size=(WIDTH, 2))
affinity = (factors[users] * factors[USERS + items]).sum(axis=1)
columns = np.stack([users, USERS + items], axis=1).ravel()
ends = np.arange(0, 2 * ROWS + 1, 2)
matrix = sparse.csr_matrix((np.ones(2 * ROWS, "float32"), columns, ends), (ROWS, WIDTH))
TRAIN, TEST = slice(0, 5000), slice(5000, None)


def estimator(kind, **settings):
    return FactorizationMachines(
        role=role,
        instance_count=1,
        instance_type="ml.m5.large",
        num_factors=4,
        predictor_type=kind,
        epochs=15,
        linear_lr=0.03,
        factors_lr=0.03,
        factors_init_sigma=0.1,
        linear_wd=1e-5,
        output_path=f"s3://{bucket}/machines",
        sagemaker_session=session,
        **settings,
    )


def deployed(trained, **settings):
    """The predictor of a new endpoint; the SDK itself would look for it every 30 seconds."""
    predictor = trained.deploy(
        initial_instance_count=1, instance_type="ml.m5.large", wait=False, **settings
    )
    waiter = boto3.client("sagemaker").get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1})
    return predictor


def metrics_of(trained):
    found = trained.latest_training_job.describe()["FinalMetricDataList"]
    return {metric["MetricName"]: metric["Value"] for metric in found}


def sparse_records(name, part, labels):
    body = io.BytesIO()
    write_spmatrix_to_sparse_tensor(body, matrix[part], labels[part])
    boto3.client("s3").put_object(Bucket=bucket, Key=f"clicks/{name}/0", Body=body.getvalue())
    records = body.getvalue().count(b"\x0a\x23\xd7\xce")
    return RecordSet(f"s3://{bucket}/clicks/{name}/", records, WIDTH, "S3Prefix", name)


def artifact_of(trained):
    """The names in the archive and the arrays in its parameters."""
    place = trained.model_data.removeprefix("s3://").split("/", 1)
    body = boto3.client("s3").get_object(Bucket=place[0], Key=place[1])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as packed:
        inner = packed.extractfile("model_algo-1").read()
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        return sorted(archive.namelist()), archive.read("params")


result = {}
ratings = (3 + affinity + NOISE * random.normal(size=ROWS)).astype("float32")
dense = matrix.toarray()
machine = estimator("regressor")
machine.fit(
    [
        machine.record_set(dense[TRAIN], ratings[TRAIN], channel="train"),
        machine.record_set(dense[TEST], ratings[TEST], channel="test"),
    ],
    mini_batch_size=100,
    logs=False,
)
predictor = deployed(machine)
assert isinstance(predictor, FactorizationMachinesPredictor)
answers = predictor.predict(dense[TEST])
scores = np.array([answer.label["score"].float32_tensor.values[0] for answer in answers])
predictor.delete_model()
predictor.delete_endpoint()
names, parameters = artifact_of(machine)
result["regressor"] = {
    "outputs": sorted(answers[0].label),
    "rmse": float(np.sqrt(((scores - ratings[TEST]) ** 2).mean())),
    "metrics": metrics_of(machine),
    "files": names,
    "arrays": [
        name for name in ("v", "w1_weight", "w0_weight") if b"arg:" + name.encode() in parameters
    ],
}

clicks = (affinity > 0).astype("float32")
machine = estimator("binary_classifier", input_mode="Pipe")
machine.fit(
    [sparse_records("train", TRAIN, clicks), sparse_records("test", TEST, clicks)],
    mini_batch_size=100,
    logs=False,
)
predictor = deployed(machine, serializer=JSONSerializer(), deserializer=JSONDeserializer())
instances = [
    {"data": {"features": {"keys": row.indices.tolist(), "shape": [WIDTH], "values": [1.0, 1.0]}}}
    for row in (matrix[index] for index in range(5000, 5400))
]
found = predictor.predict({"instances": instances})["predictions"]
predictor.delete_model()
predictor.delete_endpoint()
labels = np.array([each["predicted_label"] for each in found])
result["classifier"] = {
    "outputs": sorted(found[0]),
    "accuracy": float((labels == clicks[5000:5400]).mean()),
    "consistent": all((each["score"] >= 0.5) == each["predicted_label"] for each in found),
    "metrics": metrics_of(machine),
}
try:
    estimator("multiclass_classifier")
except ValueError as error:
    result["refused"] = str(error)
# The SDK's progress marks end without a line end.
print()
print(json.dumps(result))
