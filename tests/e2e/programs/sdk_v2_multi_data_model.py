"""The SDK v2's MultiDataModel: models of XGBoost added to an endpoint while it serves."""

import json

import numpy as np
import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
rows = np.random.default_rng(0).normal(size=(200, 3))


def train(factor: float) -> str:
    """Return the artefact of a model of the first feature times `factor`."""
    text = "\n".join(",".join(map(str, [factor * row[0], *row])) for row in rows)
    source = session.upload_string_as_file_body(text, bucket, f"many/train-{factor}.csv")
    estimator = Estimator(
        image,
        role,
        instance_count=1,
        instance_type="ml.m5.large",
        hyperparameters={"num_round": 60, "objective": "reg:squarederror"},
        sagemaker_session=session,
    )
    estimator.fit({"train": TrainingInput(source, content_type="text/csv")}, logs=False)
    return str(estimator.model_data)


artefacts = {factor: train(factor) for factor in (1.0, -3.0)}
many = MultiDataModel(
    "many-models",
    f"s3://{bucket}/many/models/",
    model=Model(
        image,
        artefacts[1.0],
        role,
        predictor_cls=lambda name, session: Predictor(
            name, session, serializer=CSVSerializer(), deserializer=JSONDeserializer()
        ),
        sagemaker_session=session,
    ),
    sagemaker_session=session,
)
predictor = many.deploy(1, "ml.m5.large")
many.add_model(artefacts[1.0], "one.tar.gz")
many.add_model(artefacts[-3.0], "minus/three.tar.gz")
names = sorted(many.list_models())
row = rows[7]
answers = {
    name: predictor.predict(row, target_model=name, initial_args={"Accept": "application/json"})
    for name in names
}
predictor.delete_endpoint()
print()  # after the SDK's dots
print(
    json.dumps(
        {
            "names": names,
            "value": row[0],
            "answers": {name: answer[0] for name, answer in answers.items()},
        }
    )
)
