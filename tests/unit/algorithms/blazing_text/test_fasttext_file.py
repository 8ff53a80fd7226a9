"""Files in fastText's binary format: ours in fastText, fastText's in ours.

The models in `models/` were trained by fasttext-wheel 0.9.2 on the sentences of `sentences()`;
`expected.json` has what that library answered. Hashes and n-grams are fastText's, too.
"""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.blazing_text.classification import huffman_ways, top_labels
from sagebrush.algorithms.blazing_text.fasttext_file import (
    SKIPGRAM,
    SUPERVISED,
    Arguments,
    ModelFileError,
    StoredModel,
    read_model,
    write_model,
)
from sagebrush.algorithms.blazing_text.lookup import vectors_of
from sagebrush.algorithms.blazing_text.vocabulary import FeatureRules, Vocabulary

MODELS = Path(__file__).parent / "models"
EXPECTED = json.loads((MODELS / "expected.json").read_text())


@pytest.mark.parametrize("name", ["softmax", "hs", "ova", "ns", "softmax_chars"])
def test_classifiers_of_fasttext_answer_as_in_fasttext(name):
    model = read_model(MODELS / f"{name}.bin")
    texts = list(EXPECTED[name])
    found = top_labels(model, texts, [4] * len(texts))
    # The sigmoids of fastText's other losses come from a table with steps of 1/32.
    tolerance = 3e-6 if name.startswith("softmax") else 0.016
    for text, (labels, chances) in zip(texts, found, strict=True):
        # fastText adds 1e-5 to probabilities before it takes their logarithm.
        expected = {label: chance - 1e-5 for chance, label in EXPECTED[name][text]}
        assert set(labels) == set(expected)
        assert chances == sorted(chances, reverse=True)
        wanted = [expected[label] for label in labels]
        np.testing.assert_allclose(chances, wanted, atol=tolerance, rtol=0)


def test_the_tree_of_labels_is_that_of_fasttext():
    """loss.cc takes a leaf only if it is rarer than the next inner node; leaves from the last."""
    ways = huffman_ways((4, 2, 2, 2, 2))
    assert ways == [
        [(3, False)],
        [(1, True), (2, True), (3, True)],
        [(1, False), (2, True), (3, True)],
        [(0, True), (2, False), (3, True)],
        [(0, False), (2, False), (3, True)],
    ]


@pytest.mark.parametrize("name", ["skipgram_chars", "cbow"])
def test_word_vectors_of_fasttext_are_those_of_fasttext(name):
    model = read_model(MODELS / f"{name}.bin")
    for word, vector in EXPECTED[name].items():
        np.testing.assert_allclose(vectors_of(model, [word.encode()])[0], vector, atol=1e-6)


def test_character_ngrams_have_the_numbers_of_fasttext():
    for case in EXPECTED["subwords"]:
        model = read_model(MODELS / f"{case['model']}.bin")
        rows, ends = model.rules.rows_of_words([case["word"].encode()])
        assert rows.tolist() == case["rows"], case["word"]
        assert ends.tolist() == [len(rows)]


def test_a_file_of_fasttext_is_written_again_byte_for_byte(tmp_path):
    for path in MODELS.glob("*.bin"):
        write_model(tmp_path / "again.bin", read_model(path))
        assert (tmp_path / "again.bin").read_bytes() == path.read_bytes(), path.name


def arguments(**changes: object) -> Arguments:
    values = {
        "dim": 3, "ws": 5, "epoch": 1, "min_count": 1, "neg": 5, "word_ngrams": 1, "loss": 2,
        "model": SKIPGRAM, "bucket": 0, "minn": 0, "maxn": 0, "lr_update_rate": 100, "t": 1e-4,
    }  # fmt: skip
    return Arguments(**(values | changes))  # type: ignore[arg-type]


@given(
    words=st.lists(st.binary(min_size=1, max_size=9).filter(lambda b: b"\0" not in b), unique=True),
    seed=st.integers(0, 9),
)
def test_what_is_written_is_read(tmp_path_factory, words, seed):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 2**40, len(words))
    vocabulary = Vocabulary.of_entries(words, counts, len(words), 77)
    matrix = random.normal(size=(len(words), 3)).astype(np.float32)
    path = tmp_path_factory.mktemp("model") / "vectors.bin"
    write_model(path, StoredModel(arguments(), vocabulary, matrix, -matrix))
    again = read_model(path)
    texts, found = again.vocabulary.entries()
    assert (texts, found.tolist(), again.vocabulary.tokens) == (words, counts.tolist(), 77)
    np.testing.assert_array_equal(again.input, matrix)
    np.testing.assert_array_equal(again.output, -matrix)
    np.testing.assert_array_equal(vectors_of(again, words), matrix)


def test_rows_of_zeros_are_holes_and_read_as_zeros(tmp_path):
    vocabulary = Vocabulary.of_entries([b"a"], np.array([1]), 1, 1)
    matrix = np.zeros((1_000_001, 3), np.float32)
    matrix[[0, 700_000, -1]] = 5
    settings = arguments(bucket=1_000_000, minn=3, maxn=6)
    path = tmp_path / "vectors.bin"
    write_model(path, StoredModel(settings, vocabulary, matrix, matrix[:1]))
    np.testing.assert_array_equal(read_model(path).input, matrix)
    assert path.stat().st_blocks * 512 < path.stat().st_size / 2


def damaged(content: bytes, what: str) -> bytes:
    header = 8 + struct.calcsize("<12id")
    if what == "magic":
        return b"\1" + content[1:]
    if what == "version":
        return content[:4] + struct.pack("<i", 13) + content[8:]
    if what == "pruned":
        return content[: header + 20] + struct.pack("<q", 4) + content[header + 28 :]
    if what == "size":
        return content[:header] + struct.pack("<i", 10**9) + content[header + 4 :]
    if what == "quantised":
        matrices = 2 * 17 + 4 * 4 * (29 + 60 + 29)
        return content[:-matrices] + b"\1" + content[1 - matrices :]
    if what == "bucket":
        return content[:40] + struct.pack("<i", 10**6) + content[44:]
    return b""


@pytest.mark.parametrize(
    "what", ["magic", "version", "pruned", "quantised", "size", "bucket", "empty"]
)
def test_a_file_that_is_no_model_is_refused(tmp_path, what):
    path = tmp_path / "model.bin"
    path.write_bytes(damaged((MODELS / "skipgram_chars.bin").read_bytes(), what))
    with pytest.raises(ModelFileError, match=r"model\.bin"):
        read_model(path)


@pytest.mark.parametrize("name", ["softmax", "skipgram_chars"])
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path, name):
    content = (MODELS / f"{name}.bin").read_bytes()
    path = tmp_path / "model.bin"
    for size in [*range(1, 700), *range(700, len(content), 997), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(ModelFileError):
            read_model(path)


def test_word_ngrams_are_hashed_as_in_fasttext():
    """dictionary.cc: h = h * 116049371 + next, over FNV-1a hashes as signed 32-bit numbers."""

    def fnv(word: bytes) -> int:
        value = 2166136261
        for byte in word:
            value = (
                (value ^ ((byte - 256) & 0xFFFFFFFF if byte > 127 else byte)) * 16777619
            ) % 2**32
        return value - 2**32 if value >= 2**31 else value

    words = ["caf\u00e9".encode(), b"au", b"lait"]
    vocabulary = Vocabulary.of_entries([*words, b"</s>"], np.ones(4, np.int64), 4, 4)
    rules = FeatureRules(vocabulary, buckets=1009, word_ngrams=3)
    (documents,) = rules.read_documents(b" ".join(words))
    hashes = [fnv(word) for word in (*words, b"</s>")]
    wanted = [0, 1, 2, 3]
    for first in range(4):
        value = hashes[first]
        for following in hashes[first + 1 : first + 3]:
            value = (value * 116049371 + following) % 2**64
            wanted.append(4 + value % 1009)
    assert documents.features[: documents.feature_ends[0]].tolist() == wanted


def test_a_supervised_model_without_labels_is_refused(tmp_path):
    vocabulary = Vocabulary.of_entries([b"a"], np.array([1]), 1, 1)
    rows = np.zeros((1, 3), np.float32)
    path = tmp_path / "model.bin"
    write_model(path, StoredModel(arguments(model=SUPERVISED), vocabulary, rows, rows))
    with pytest.raises(ModelFileError, match="no labels"):
        read_model(path)
