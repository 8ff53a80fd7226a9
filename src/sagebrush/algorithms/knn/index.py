"""The faiss index of the sample: made, searched, written and read.

faiss is imported when first needed: it loads an OpenMP library, which must not be there yet when
the parent of jobs forks them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError, ClientError
from sagebrush.algorithms.knn.exact import TOO_LARGE, ExactSearch
from sagebrush.algorithms.knn.settings import DEFAULT_PROBES

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

ADD_ROWS = 1 << 16
POINTS_PER_LIST = 256
PRODUCT_BITS = 8
# faiss' own number of the metric, which must be known before faiss is there.
INNER_PRODUCT = 0

# The first bytes of the kinds of index the algorithm makes, in today's and in older faiss versions.
KNOWN_KINDS = (b"IxF2", b"IxFI", b"IxFl", b"IwFl", b"IwPQ", b"IvFl", b"IvFL", b"IvPQ", b"IvQR")


@dataclass(frozen=True)
class IndexSettings:
    """Kind of index, lists ("auto" is the root of the rows), parts of a row, lists searched."""

    kind: str = "faiss.Flat"
    inner_product: bool = False
    lists: int | Literal["auto"] = "auto"
    quantizers: int | None = None
    probes: int = DEFAULT_PROBES


def build_index(rows: Floats, settings: IndexSettings, threads: int) -> Any:
    """A trained faiss index of the (count, width) rows.

    ClientError when there are fewer rows than inverted lists.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    metric = faiss.METRIC_INNER_PRODUCT if settings.inner_product else faiss.METRIC_L2
    index: Any = faiss.index_factory(rows.shape[1], _description(rows.shape[0], settings), metric)
    if not index.is_trained:
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = POINTS_PER_LIST
        index.nprobe = min(settings.probes, index.nlist)
        if settings.kind == "faiss.IVFPQ":
            # The factory asks for codes whose bits say something, which takes minutes and is
            # of no use here.
            index.do_polysemous_training = False
            index.pq.cp.min_points_per_centroid = 1
        index.train(rows)
    for first in range(0, rows.shape[0], ADD_ROWS):
        index.add(rows[first : first + ADD_ROWS])
    return index


def _description(count: int, settings: IndexSettings) -> str:
    """The index in the words of faiss' factory."""
    if settings.kind == "faiss.Flat":
        return "Flat"
    lists = max(1, int(np.sqrt(count))) if settings.lists == "auto" else settings.lists
    if lists > count:
        raise ClientError(
            f"Hyperparameter 'faiss_index_ivf_nlists' is {lists}, more than the {count} examples "
            "of the sample."
        )
    if settings.kind == "faiss.IVFFlat":
        return f"IVF{lists},Flat"
    # A code needs as many examples to learn from as it has values.
    bits = max(1, min(PRODUCT_BITS, count.bit_length() - 1))
    return f"IVF{lists},PQ{settings.quantizers}x{bits}"


class InvertedSearch:
    """Finds neighbours in the inverted lists of a faiss index."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def search(self, rows: Floats, k: int, threads: int) -> tuple[Floats, Places]:
        """Scores and places of each row's k nearest, the nearest first; both (rows, k).

        Scores are squared distances, or inner products for an index of them. Where the lists that
        are looked into hold fewer than k rows, more are, until k are found.
        """
        import faiss

        search_options: Any = faiss.SearchParametersIVF
        faiss.omp_set_num_threads(threads)
        index, probes = self._index, self._index.nprobe
        scores, places = index.search(rows, k)
        while probes < index.nlist:
            short = np.flatnonzero(places[:, -1] < 0)
            if not short.size:
                break
            probes = min(4 * probes, index.nlist)
            options = search_options(nprobe=probes)
            scores[short], places[short] = index.search(rows[short], k, params=options)
        if (places < 0).any() or not np.isfinite(scores).all():
            raise ClientError(TOO_LARGE)
        return scores, places


def searcher_of(index: Any) -> ExactSearch | InvertedSearch:
    """What finds neighbours in a faiss index; of a flat one a copy is made for it."""
    if hasattr(index, "nprobe"):
        return InvertedSearch(index)
    return ExactSearch(vectors_of(index), inner_product=index.metric_type == INNER_PRODUCT)


def vectors_of(index: Any) -> Floats:
    """The rows of a flat index, (rows, width); valid while the index is."""
    import faiss

    if not index.ntotal:
        return np.zeros((0, index.d), np.float32)
    values = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return np.asarray(values).reshape(index.ntotal, index.d)


def without_rows(index: Any) -> Any:
    """A flat index of the same kind that holds no memory, any other as it is."""
    import faiss

    return index if hasattr(index, "nprobe") else faiss.IndexFlat(index.d, index.metric_type)


def write_index(path: Path, index: Any) -> None:
    """Write the index in faiss' own format."""
    import faiss

    faiss.write_index(index, str(path))


def read_index(path: Path) -> Any:
    """The index of the file; AlgorithmError unless it is of a kind the algorithm makes."""
    import faiss

    with path.open("rb") as stream:
        if stream.read(4) not in KNOWN_KINDS:
            raise AlgorithmError(f"{path.name} is no index of k nearest neighbours.")
    try:
        return faiss.read_index(str(path))
    except (RuntimeError, MemoryError) as error:  # a damaged header may ask for any size
        raise AlgorithmError(f"{path.name} is no index of k nearest neighbours: {error}") from error


def index_bytes(index: Any) -> NDArray[np.uint8]:
    """The index as bytes for another host."""
    import faiss

    return np.asarray(faiss.serialize_index(index))


def index_from_bytes(content: NDArray[np.uint8]) -> Any:
    """The index that another host of the same job serialised."""
    import faiss

    return faiss.deserialize_index(content)
