"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import BadData, Example

ESTIMATOR = "sagebrush.algorithms.knn.model:KNN"

KNN = {"feature_dim": "4", "k": "3", "sample_size": "50", "mini_batch_size": "20"}

# Any whole number is a class.
HALF_A_CLASS = {
    "label_out_of_range": BadData(
        b"1,0,0,0,0\n0,1,0,0,0\n0.5,0,1,0,0\n",
        r"Example 3 of train/part-0 has the label 0\.5; .* whole numbers",
        "text/csv",
    )
}

EXAMPLES = (
    Example(
        "knn",
        KNN | {"predictor_type": "classifier"},
        classes=3,
        metrics=("train:progress", "train:throughput", "test:accuracy"),
        name="classifier",
        bad_data=HALF_A_CLASS,
    ),
    Example(
        "knn",
        KNN | {"predictor_type": "regressor"},
        metrics=("train:progress", "test:mse"),
        name="regressor",
    ),
    Example(
        "knn",
        KNN
        | {
            "predictor_type": "regressor",
            "dimension_reduction_type": "fjlt",
            "dimension_reduction_target": "3",
            "index_type": "faiss.IVFPQ",
            "faiss_index_pq_m": "2",
        },
        metrics=("test:mse",),
        name="compressed",
    ),
    Example(
        "knn",
        KNN
        | {
            "predictor_type": "classifier",
            "dimension_reduction_type": "sign",
            "dimension_reduction_target": "3",
            "index_type": "faiss.IVFFlat",
            "index_metric": "COSINE",
        },
        classes=2,
        metrics=("test:accuracy",),
        name="cosine",
        bad_data=HALF_A_CLASS,
    ),
)
