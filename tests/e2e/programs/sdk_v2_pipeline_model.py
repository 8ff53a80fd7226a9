"""The SDK v2's PipelineModel: components into a linear model, as an endpoint and as a transform."""

import io
import json

import boto3
import numpy as np
import sagemaker
from sagemaker import PCA, LinearLearner
from sagemaker.amazon.linear_learner import LinearLearnerModel
from sagemaker.amazon.pca import PCAModel
from sagemaker.deserializers import JSONDeserializer
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
random = np.random.default_rng(0)
factors = random.normal(size=(500, 2))
rows = (factors @ random.normal(size=(2, 6))).astype("float32")
target = (factors[:, 0] * 2).astype("float32")
where = {"role": role, "instance_count": 1, "instance_type": "ml.m5.large"}

pca = PCA(**where, num_components=2, sagemaker_session=session)
pca.fit(pca.record_set(rows), mini_batch_size=100, logs=False)
bucket = session.default_bucket()
projected = PCAModel(pca.model_data, role, sagemaker_session=session).deploy(1, "ml.m5.large")
projections = [
    list(record.label["projection"].float32_tensor.values) for record in projected.predict(rows)
]
projected.delete_endpoint()
learner = LinearLearner(
    **where, predictor_type="regressor", epochs=30, loss="squared_loss", sagemaker_session=session
)
learner.fit(
    learner.record_set(np.array(projections, "float32"), target), mini_batch_size=100, logs=False
)

model = PipelineModel(
    models=[
        PCAModel(pca.model_data, role, sagemaker_session=session),
        LinearLearnerModel(learner.model_data, role, sagemaker_session=session),
    ],
    role=role,
    predictor_cls=lambda name, session: Predictor(
        name, session, serializer=CSVSerializer(), deserializer=JSONDeserializer()
    ),
    sagemaker_session=session,
)
predictor = model.deploy(1, "ml.m5.large")
answers = predictor.predict(rows[:50])["predictions"]
error = np.abs([answer["score"] for answer in answers] - target[:50]).max()

text = io.StringIO()
np.savetxt(text, rows[:50], delimiter=",", fmt="%.6f")
source = session.upload_string_as_file_body(text.getvalue(), bucket, "pipeline/rows.csv")
transformer = model.transformer(
    1,
    "ml.m5.large",
    strategy="MultiRecord",
    assemble_with="Line",
    accept="application/jsonlines",
    output_path=f"s3://{bucket}/pipeline/out",
)
transformer.transform(source, content_type="text/csv", split_type="Line", logs=True)
body = boto3.client("s3").get_object(Bucket=bucket, Key="pipeline/out/rows.csv.out")["Body"]
lines = [json.loads(line)["score"] for line in body.read().splitlines() if line]
described = boto3.client("sagemaker").describe_model(ModelName=model.name)
predictor.delete_endpoint()
print()  # after the SDK's dots
print(
    json.dumps(
        {
            "containers": len(described["Containers"]),
            "error": float(error),
            "spread": float(np.std(target)),
            "transformed": float(np.abs(np.array(lines) - target[:50]).max()),
        }
    )
)
