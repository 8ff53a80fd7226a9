"""Makes the models beside it with fasttext-wheel 0.9.2, and what that library answers to them."""

import json
import random
import tempfile
from pathlib import Path

import fasttext

HERE = Path(__file__).parent


def sentences() -> list[str]:
    """Labelled sentences of three topics."""
    chooser = random.Random(1)
    lines = []
    for row in range(300):
        topic = row % 7 % 4
        words = [f"mot{topic}{chooser.randrange(6)}" for _ in range(5)]
        words += [chooser.choice(["caf\u00e9", "\u65e5\u672c", "a", "the"]) for _ in range(3)]
        lines.append(f"__label__l{topic} " + " ".join(words))
    return lines


def main() -> None:
    """Train, save, ask."""
    path = Path(tempfile.mkdtemp(), "train.txt")
    path.write_text("\n".join(sentences()) + "\n")
    expected: dict[str, object] = {}
    texts = ["mot00 mot01 the", "mot30 caf\u00e9", "mot2 motx", "", "nothing known", "\u65e5 mot11"]
    for name in ("softmax", "hs", "ova", "ns", "softmax_chars"):
        chars = name.endswith("_chars")
        model = fasttext.train_supervised(
            str(path), dim=4, lr=0.5, epoch=3, minCount=1, wordNgrams=2, bucket=60, thread=1,
            loss=name.removesuffix("_chars"), minn=2 if chars else 0, maxn=3 if chars else 0,
        )  # fmt: skip
        model.save_model(str(HERE / f"{name}.bin"))
        expected[name] = {
            text: [(float(p), label) for p, label in model.f.predict(text + "\n", 4, 0.0, "strict")]
            for text in texts
        }
    words = ["mot00", "the", "caf\u00e9", "unseen", "\u65e5\u672c\u8a9e", "a"]
    subwords = []
    for name, mode in (("skipgram_chars", "skipgram"), ("cbow", "cbow")):
        chars = name.endswith("_chars")
        model = fasttext.train_unsupervised(
            str(path), model=mode, dim=4, epoch=2, minCount=1, bucket=60, thread=1,
            minn=1 if chars else 0, maxn=4 if chars else 0,
        )  # fmt: skip
        model.save_model(str(HERE / f"{name}.bin"))
        expected[name] = {word: model.get_word_vector(word).tolist() for word in words}
        if chars:
            for word in words:
                rows = model.get_subwords(word)[1].tolist()
                subwords.append({"model": name, "word": word, "rows": rows})
    expected["subwords"] = subwords
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1))


main()
