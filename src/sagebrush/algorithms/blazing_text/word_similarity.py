"""Word vectors compared with people's judgements: WordSimilarity-353.

The data (Finkelstein et al. 2002, Agirre et al. 2009) are not part of this package: their licence
is another one. They are looked for in the folder that SAGEBRUSH_WORD_SIMILARITY names, under the
hosted image's names EN-WS-353-ALL.txt, EN-WS-353-REL.txt and EN-WS-353-SIM.txt, then in an
installed gensim, which brings all 353 pairs.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sagebrush.algorithms.blazing_text.word_vectors import WordVectors
from sagebrush.algorithms.errors import ClientError

FOLDER_VARIABLE = "SAGEBRUSH_WORD_SIMILARITY"
FILE_NAMES = ("EN-WS-353-ALL.txt", "EN-WS-353-REL.txt", "EN-WS-353-SIM.txt")


class Judgement(NamedTuple):
    """Two words and how similar people find them."""

    first: str
    second: str
    similarity: float


def find_files(environment: Mapping[str, str]) -> dict[str, Path]:
    """The files of judgements by the names they are reported under; empty if there are none.

    ClientError if the folder that the user names has none.
    """
    named = environment.get(FOLDER_VARIABLE)
    if named:
        found = {name: Path(named, name) for name in FILE_NAMES if Path(named, name).is_file()}
        if not found:
            raise ClientError(f"{FOLDER_VARIABLE} names a folder without {FILE_NAMES[0]}: {named}")
        return found
    package = importlib.util.find_spec("gensim")
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder, "test", "test_data", "wordsim353.tsv")
        if path.is_file():
            return {FILE_NAMES[0]: path}
    return {}


def read_judgements(path: Path) -> list[Judgement]:
    """Lines of two words and a number; others, such as headings, are passed over."""
    judgements = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split()
        if len(cells) != 3 or line.startswith("#"):
            continue
        try:
            judgements.append(Judgement(cells[0].lower(), cells[1].lower(), float(cells[2])))
        except ValueError:
            continue
    return judgements


def evaluate(model: WordVectors, files: Mapping[str, Path]) -> dict[str, Any]:
    """What eval.json holds: for each file the rank correlation, and the mean of them.

    ``not_found`` counts pairs with a word that has no vector, which are left out;
    ``spearmans_rho`` is 0 where fewer than two pairs are left.
    """
    known = {word.lower(): word for word in reversed(model.words_)}
    report: dict[str, Any] = {}
    for name, path in files.items():
        judgements = read_judgements(path)
        report[name] = _report(model, judgements, known)
    report["mean_rho"] = float(np.mean([each["spearmans_rho"] for each in report.values()]))
    return report


def _report(
    model: WordVectors, judgements: Sequence[Judgement], known: Mapping[str, str]
) -> dict[str, Any]:
    from scipy.stats import spearmanr  # slow to import, and often not needed

    found = [each for each in judgements if each.first in known and each.second in known]
    rho = 0.0
    if len(found) > 1:
        first = model.predict([known[each.first] for each in found])
        second = model.predict([known[each.second] for each in found])
        norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        cosines = np.einsum("ij,ij->i", first, second) / np.maximum(norms, 1e-12)
        correlation = float(spearmanr(cosines, [each.similarity for each in found]).statistic)
        rho = correlation if np.isfinite(correlation) else 0.0
    return {
        "not_found": len(judgements) - len(found),
        "spearmans_rho": rho,
        "total_pairs": len(judgements),
    }
