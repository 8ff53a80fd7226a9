"""BlazingText through unmodified clients: both families trained and served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).resolve().parents[2] / "unit" / "algorithms" / "blazing_text" / "models"


def test_sdk_v2_by_image_uri_trains_and_serves_words_and_texts(run_program: Any) -> None:
    answer = run_program("sdk-v2", "../algorithms/programs/blazing_text_sdk_v2.py")
    assert answer["image"].endswith("/blazingtext:1")
    expected = answer["expected"]
    for found, k in ((answer["labels"], 2), (answer["lines"], 3)):
        best = [each["label"][0] for each in found]
        assert np.mean([one == other for one, other in zip(best, expected, strict=True)]) > 0.95
        assert all(len(each["label"]) == len(each["prob"]) == k for each in found)
    assert answer["metrics"]["validation:accuracy"] > 0.95
    assert answer["metrics"]["train:accuracy"] > 0.95
    first, same, other, unknown = (np.array(each["vector"]) for each in answer["vectors"])
    assert [each["word"] for each in answer["vectors"]] == ["t0w1", "t0w2", "t1w1", "t0w11"]
    assert cosine(first, same) > 0.3 + cosine(first, other)
    assert cosine(first, unknown) > cosine(other, unknown)
    assert "Validation accuracy improved! Storing best weights..." in answer["stdout"]


def cosine(first: Any, second: Any) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_boto3_trains_on_two_instances_and_hosts_a_plain_fasttext_model(run_program: Any) -> None:
    model = MODELS / "softmax.bin"
    program = "../algorithms/programs/blazing_text_boto3.py"
    answer = run_program("sdk-v2", program, FASTTEXT_MODEL=str(model))
    assert answer["status"] == "Completed", answer["reason"]
    assert answer["names"] == ["vectors.bin", "vectors.txt"]
    expected = json.loads((MODELS / "expected.json").read_text())["softmax"]
    asked = (("mot00 mot01 the", 1), ("mot2 motx", 2))
    for found, (text, k) in zip(answer["answers"], asked, strict=True):
        assert found["label"] == [label for _, label in expected[text][:k]]
        np.testing.assert_allclose(found["prob"], [p for p, _ in expected[text][:k]], atol=2e-5)
