"""The jobs by which the contract suite knows the algorithm."""

import json

from tests.unit.algorithms.contract import BadData, Example

PAIRS = [(f"user {i % 12}", f"10.{i % 12}.{i % 3}.{i}") for i in range(120)]


def training_bytes(content_type: str) -> bytes:
    assert content_type == "text/csv", content_type
    return "".join(f"{entity}, {address}\n" for entity, address in PAIRS).encode()


def request_bytes(content_type: str, rows: range) -> bytes:
    pairs = PAIRS[rows.start : rows.stop]
    if content_type == "text/csv":
        return "".join(f"{entity},{address}\n" for entity, address in pairs).encode()
    instances = [{"features": pair} for pair in pairs]
    if content_type == "application/jsonlines":
        return "\n".join(map(json.dumps, instances)).encode()
    assert content_type == "application/json", content_type
    return json.dumps({"instances": instances}).encode()


def large_rows() -> bytes:
    """Pairs with long names: what is read is large, what is learnt is not."""
    name = 400 * "n"
    return "".join(f"{name} {entity},{address}\n" for entity, address in PAIRS).encode()


def with_addresses(address: str) -> bytes:
    return "".join(f"{entity},{address}\n" for entity, _ in PAIRS).encode()


NO_PAIR = r"'train' channel holds no pair .*: 120 rows have no valid address, row 1 of train/part-0"
BAD_DATA = {
    "ragged_csv": BadData(
        b"user 1,10.0.0.1\nuser 2,10.0.0.2\nuser 3\n",
        r"row 3 of train/part-0: it has 1 columns, expected 2: an entity and an IPv4 address",
    ),
    "strings_among_numbers": BadData(with_addresses("word"), NO_PAIR + " has 'word'"),
    "not_finite": BadData(with_addresses("10.0.nan.1"), NO_PAIR + r" has '10\.0\.nan\.1'"),
    "label_out_of_range": "the algorithm reads no labels",
    "wrong_feature_dim": BadData(
        b"user 1,10.0.0.1\nuser 2,10.0.0.2,3\n",
        r"row 2 of train/part-0: it has 3 columns, expected 2: an entity and an IPv4 address",
    ),
    "single_class": "the algorithm reads no labels",
}

EXAMPLES = (
    Example(
        "ipinsights",
        {
            "num_entity_vectors": "24",
            "vector_dim": "8",
            "mini_batch_size": "50",
            "epochs": "3",
            "learning_rate": "0.01",
        },
        metrics=(
            "train:progress",
            "train:throughput",
            "train:binary_classification_accuracy",
            "train:binary_classification_accuracy:epoch",
            "train:binary_classification_cross_entropy",
            "train:binary_classification_cross_entropy:epoch",
            "validation:discriminator_auc",
        ),
        labelled=False,
        training_bytes=training_bytes,
        request_bytes=request_bytes,
        bad_data=BAD_DATA,
        large_rows=large_rows,
    ),
)
