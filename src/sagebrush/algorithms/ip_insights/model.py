"""IP Insights: vectors of entities and IPv4 addresses whose dot product is a pair's log-odds.

Notation: B pairs (u, a) in a mini-batch; e_u the entity's vector of D numbers; z_a the address's.

    x_a = sum of the vectors of a's octets and of its known prefixes
    z_a = encoder(x_a), num_ip_encoder_layers dense layers with batch normalisation
    s(u, a) = e_u . z_a, the log of the odds that the pair is real and not generated
    loss = sum over real pairs of log(1 + exp(-s)) + sum over generated pairs of log(1 + exp(s))

Generated are, for every real pair, R pairs of its entity with a uniformly random address and S of
its address with another pair's entity, by permutations of the batch. Adam moves the dense layers
and those rows of the tables that the batch names; the L2 term is weight_decay * w for these.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-howitworks.html; T. Mikolov et
al., "Distributed representations of words and phrases", NIPS 2013 (negative sampling); K.
Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.ip_insights.artifact import StoredModel, read_model, write_model
from sagebrush.algorithms.ip_insights.encoder import Doubles, Encoder
from sagebrush.algorithms.ip_insights.kernel import kernel
from sagebrush.algorithms.ip_insights.pairs import (
    Names,
    Packed,
    hash_entities,
    pack,
    parse_addresses,
    unpack,
)
from sagebrush.algorithms.ip_insights.tables import (
    Adam,
    EntityTable,
    Floats,
    Grouping,
    PrefixTable,
    Rows,
    RowTable,
)

BLOCK_ROWS = 4096
FIRST_PREFIX_SCALE = 0.2


class BatchFigures(NamedTuple):
    """What a mini-batch's samples cost: summed loss, how many were told right, how many."""

    loss: float
    right: float
    samples: float


class _Generated(NamedTuple):
    """The generated pairs of a batch.

    ``addresses`` (R * B,) random addresses in R blocks; ``partners`` (S * B,) in S blocks whose
    entity goes with each pair's address; ``inverses`` (S * B,) the other way round.
    """

    addresses: Names
    partners: Rows
    inverses: Rows


class IPInsights:
    """Learns which IPv4 addresses an entity uses from the pairs it was seen with.

    Parameters are the documented hyperparameters. ``seed`` makes a run repeatable, whatever
    ``threads`` is. `partial_fit` trains on one mini-batch; `fit` on pairs held in memory.
    """

    def __init__(
        self,
        num_entity_vectors: int = 100_000,
        vector_dim: int = 128,
        *,
        epochs: int = 10,
        mini_batch_size: int = 10_000,
        learning_rate: float = 0.001,
        num_ip_encoder_layers: int = 1,
        random_negative_sampling_rate: int = 1,
        shuffled_negative_sampling_rate: int = 1,
        weight_decay: float = 0.00001,
        seed: int = 0,
        threads: int = 1,
        collective: Collective | None = None,
    ) -> None:
        if not 1 <= random_negative_sampling_rate + shuffled_negative_sampling_rate <= 500:
            raise ValueError("there must be 1 to 500 generated pairs for each pair")
        self.num_entity_vectors = num_entity_vectors
        self.vector_dim = vector_dim
        self.epochs = epochs
        self.mini_batch_size = mini_batch_size
        self.learning_rate = learning_rate
        self.num_ip_encoder_layers = num_ip_encoder_layers
        self.random_negative_sampling_rate = random_negative_sampling_rate
        self.shuffled_negative_sampling_rate = shuffled_negative_sampling_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.threads = threads
        self.collective = collective or Collective()
        # Hosts draw different addresses but begin with the same layers.
        self._rng = np.random.default_rng([seed, self.collective.rank])
        self._step = 0
        self._pool: ThreadPoolExecutor | None = None
        self.entities = EntityTable(vector_dim, num_entity_vectors)
        self.prefixes = PrefixTable(
            vector_dim,
            wanted=num_entity_vectors,
            seed=seed,
            scale=FIRST_PREFIX_SCALE / float(np.sqrt(vector_dim)),
        )
        self.encoder = Encoder(
            vector_dim, num_ip_encoder_layers, np.random.default_rng([seed, 2**31])
        )

    def fit(self, entities: Iterable[Any], addresses: Iterable[Any]) -> Self:
        """Train on pairs of an entity (any value, as its string) and an IPv4 address.

        Addresses are in decimal-dot notation or whole numbers. ClientError without any pair;
        ValueError for an address that is none.
        """
        packed = self.packed(entities, addresses)
        if not packed.shape[0]:
            raise ClientError("There are no pairs to train on.")
        with self.working():
            for _ in range(self.epochs):
                for batch in self.batches(packed):
                    self.partial_fit(batch)
        return self

    def packed(self, entities: Iterable[Any], addresses: Iterable[Any]) -> Packed:
        """Pairs in the packed form that `partial_fit` takes."""
        names = hash_entities(map(str, entities))
        found = parse_addresses(addresses)
        if names.shape != found.shape:
            raise ValueError(f"{names.shape[0]} entities for {found.shape[0]} addresses")
        return pack(names, found)

    def batches(self, packed: Packed) -> Iterator[Packed]:
        """The pairs in mini-batches, shuffled in place before."""
        self._rng.shuffle(packed)
        for first in range(0, packed.shape[0], self.mini_batch_size):
            yield packed[first : first + self.mini_batch_size]

    @contextmanager
    def working(self) -> Iterator[Self]:
        """The model's own threads, and one for each of numpy's products, while the block runs."""
        with single_threaded_blas(), ThreadPoolExecutor(max(self.threads, 1)) as pool:
            self._pool = pool if self.threads > 1 else None
            try:
                yield self
            finally:
                self._pool = None

    def partial_fit(self, packed: Packed | None) -> BatchFigures:
        """Train on one mini-batch; every host must call it equally often, None once it is out."""
        packed = np.empty(0, np.uint64) if packed is None else packed
        entities, addresses = unpack(packed)
        self._admit(entities, addresses)
        entity_rows = self.entities.find(entities)
        generated = self._generate(entities.shape[0])
        everything = np.concatenate([addresses, generated.addresses])
        prefix_rows = self.prefixes.find(everything, self._spread)
        vectors = self.encoder.forward(
            self._gathered(prefix_rows), self._spread, self.collective.sum
        )
        residuals, slopes, totals = self._score(entity_rows, vectors, generated)
        below, layer_slopes = self.encoder.backward(slopes, self._spread, self.collective.sum)
        entity_groups = self.entities.group(entity_rows)
        prefix_groups = self.prefixes.group(prefix_rows)
        entity_slopes = self._entity_slopes(vectors, generated, residuals, entity_groups)
        prefix_slopes = self._prefix_slopes(below, prefix_groups)
        self._step += 1
        adam = Adam.at(self._step, self.learning_rate, self.weight_decay)
        self._move(self.entities, entity_groups.distinct, entity_slopes, adam)
        self._move(self.prefixes, prefix_groups.distinct, prefix_slopes, adam)
        self.encoder.step(layer_slopes, adam)
        return BatchFigures(float(totals[0]), float(totals[1]), float(residuals.shape[0]))

    def predict(self, entities: Iterable[Any], addresses: Iterable[Any]) -> NDArray[np.float64]:
        """The score of each pair, the log-odds that it is real, shape (pairs,)."""
        return self.score(self.packed(entities, addresses))

    def score(self, packed: Packed) -> NDArray[np.float64]:
        """The scores of packed pairs, shape (pairs,)."""
        entity_vectors, address_vectors = self.embeddings(packed)
        return np.asarray(np.einsum("ij,ij->i", entity_vectors, address_vectors))

    def embeddings(self, packed: Packed) -> tuple[Doubles, Doubles]:
        """The entities' and the addresses' vectors of packed pairs, (pairs, vector_dim) each."""
        entities, addresses = unpack(packed)
        found = self.entities.find(entities)
        entity_vectors = np.zeros((entities.shape[0], self.vector_dim))
        known = found >= 0
        entity_vectors[known] = self.entities.weights[found[known]]
        inputs = self._gathered(self.prefixes.find(addresses, self._spread))
        return entity_vectors, self.encoder.apply(inputs.astype(np.float64))

    def save(self, directory: Path, host: str = "algo-1") -> None:
        """Write ``model_<host>`` into the directory; see `artifact`."""
        write_model(directory / f"model_{host}", self._stored())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """A model for prediction from the file in the directory; AlgorithmError if it has none."""
        stored = read_model(directory)
        model = cls(stored.num_entity_vectors, stored.vector_dim, num_ip_encoder_layers=0)
        model.entities.restore(stored.entity_keys, stored.entity_vectors)
        model.prefixes.restore(stored.prefix_keys, stored.prefix_vectors)
        model.prefixes.lengths = stored.prefix_lengths
        model.encoder = Encoder.restored(stored.layers)
        model.num_ip_encoder_layers = len(stored.layers)
        return model

    def _stored(self) -> StoredModel:
        entities, prefixes = self.entities, self.prefixes
        return StoredModel(
            num_entity_vectors=self.num_entity_vectors,
            vector_dim=self.vector_dim,
            entity_keys=entities.row_keys[: entities.used],
            entity_vectors=entities.weights[: entities.used],
            prefix_keys=prefixes.row_keys[: prefixes.used],
            prefix_vectors=prefixes.weights[: prefixes.used],
            prefix_lengths=prefixes.lengths,
            layers=[layer.arrays() for layer in self.encoder.layers],
        )

    def _admit(self, entities: Names, addresses: Names) -> None:
        """All hosts give the same new keys rows in the same order."""
        self.entities.admit(self.collective.concatenate(entities))
        self.prefixes.admit(self.collective.concatenate(addresses))

    def _generate(self, pairs: int) -> _Generated:
        random = self.random_negative_sampling_rate * pairs
        addresses = self._rng.integers(0, 1 << 32, size=random, dtype=np.uint32)
        shuffles = self.shuffled_negative_sampling_rate
        partners = np.empty((shuffles, pairs), np.int32)
        inverses = np.empty((shuffles, pairs), np.int32)
        order = np.arange(pairs, dtype=np.int32)
        for shuffle in range(shuffles):
            partners[shuffle] = self._rng.permutation(order)
            inverses[shuffle, partners[shuffle]] = order
        return _Generated(addresses, partners.ravel(), inverses.ravel())

    def _gathered(self, rows: Rows) -> Floats:
        sums = np.empty((rows.shape[0], self.vector_dim), np.float32)

        def part(first: int, last: int) -> None:
            kernel().gather_sums(
                self.prefixes.weights, self.vector_dim, rows, rows.shape[1], first, last, sums
            )

        self._spread(part, rows.shape[0])
        return sums

    def _score(
        self, entity_rows: Rows, vectors: Floats, generated: _Generated
    ) -> tuple[Floats, Floats, Doubles]:
        """Each sample's residual, the loss's gradient by the address vectors, and its totals."""
        pairs = entity_rows.shape[0]
        random, shuffled = self.random_negative_sampling_rate, self.shuffled_negative_sampling_rate
        residuals = np.empty((1 + random + shuffled) * pairs, np.float32)
        slopes = np.empty_like(vectors)
        totals = np.zeros((-(-vectors.shape[0] // BLOCK_ROWS), 2))

        def part(first: int, last: int) -> None:
            kernel().score_addresses(
                *(self.entities.weights, entity_rows, vectors, self.vector_dim, pairs),
                *(random, shuffled, generated.partners, first, last),
                *(residuals, slopes, totals[first // BLOCK_ROWS]),
            )

        self._spread(part, vectors.shape[0])
        return residuals, slopes, totals.sum(axis=0)

    def _entity_slopes(
        self, vectors: Floats, generated: _Generated, residuals: Floats, groups: Grouping
    ) -> Floats:
        slopes = np.empty((groups.distinct.shape[0], self.vector_dim), np.float32)
        pairs = groups.members.shape[0]

        def part(first: int, last: int) -> None:
            kernel().entity_gradients(
                *(vectors, self.vector_dim, pairs, self.random_negative_sampling_rate),
                *(self.shuffled_negative_sampling_rate, generated.inverses, residuals),
                *(groups.starts, groups.members, first, last, slopes),
            )

        self._spread(part, groups.distinct.shape[0])
        return slopes

    def _prefix_slopes(self, below: Floats, groups: Grouping) -> Floats:
        slopes = np.empty((groups.distinct.shape[0], self.vector_dim), np.float32)

        def part(first: int, last: int) -> None:
            kernel().sum_members(
                below, self.vector_dim, groups.starts, groups.members, first, last, slopes
            )

        self._spread(part, groups.distinct.shape[0])
        return slopes

    def _move(self, table: RowTable, rows: Rows, slopes: Floats, adam: Adam) -> None:
        """Adam with the sum of all hosts' gradients of a row, in host order."""
        if self.collective.size > 1:
            rows = self.collective.concatenate(rows)
            slopes = self.collective.concatenate(slopes)
            groups = table.group(rows)
            rows = groups.distinct
            summed = np.empty((rows.shape[0], self.vector_dim), np.float32)
            kernel().sum_members(
                *(slopes, self.vector_dim, groups.starts, groups.members),
                *(0, rows.shape[0], summed),
            )
            slopes = summed
        table.move(rows, slopes, adam, self._spread)

    def _spread(self, work: Callable[[int, int], object], rows: int) -> None:
        """Run ``work(first, last)`` over blocks of rows, on the threads there are."""
        blocks = [(first, min(first + BLOCK_ROWS, rows)) for first in range(0, rows, BLOCK_ROWS)]
        if self._pool is None or len(blocks) < 2:
            for first, last in blocks:
                work(first, last)
            return
        for future in [self._pool.submit(work, first, last) for first, last in blocks]:
            future.result()
