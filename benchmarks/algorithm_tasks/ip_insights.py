"""IP Insights beside what people score logins with: count tables, hashed features, factors.

The data is a CSV text, as a log gives it; reading it is timed. A pair counts as five numbers: the
entity and four octets.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import PEERS, THREADS, Contender, Fit, Quality, Task

LENGTHS = (8, 12, 16, 20, 24)
HELD_OUT = 20_000
HASH_BITS = 22
NETWORKS = 12

Score = Callable[[Any, Any], Any]
"""A fitted model: scores of entities, by number, with addresses."""


@dataclass(frozen=True)
class Logins:
    """A log of `rows` logins, held-out real ones, generated ones, and how likely each truly is."""

    text: bytes
    rows: int
    users: Any
    addresses: Any
    real: Any
    odds: Any


class _World:
    """Carriers own a dozen networks of 16 to 24 bits each; users have a home /24.

    Half of a user's logins come from home, the others from the networks of two carriers, as in
    the logs that AWS's tutorial simulates. Who logs in how often is skewed.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self._random = np.random.default_rng([29, seed])
        random = self._random
        self.users = max(200, rows // 40)
        carriers = max(20, self.users // 50)
        self._bits = 32 - random.integers(16, 25, size=(carriers, NETWORKS))
        drawn = random.integers(0, 2**32, size=(carriers, NETWORKS), dtype=np.int64)
        self._first = (drawn >> self._bits) << self._bits
        self._home = random.integers(0, 2**24, size=self.users)
        self._of = random.integers(0, carriers, size=(self.users, 2))

    def logins(self, count: int) -> tuple[Any, Any]:
        random = self._random
        users = (self.users * random.random(count) ** 1.5).astype(np.int64)
        carrier = self._of[users, (random.random(count) < 0.3).astype(int)]
        network = carrier, random.integers(0, NETWORKS, count)
        away = self._first[network] + (random.random(count) * 2.0 ** self._bits[network])
        home = (self._home[users] << 8) + random.integers(0, 256, count)
        return users, np.where(random.random(count) < 0.5, home, away).astype(np.int64)

    def generated(self, users: Any, addresses: Any) -> Any:
        """Half random addresses, half those of others."""
        random = self._random
        shuffled = addresses[random.permutation(len(addresses))]
        anywhere = random.integers(0, 2**32, size=len(users))
        return np.where(np.arange(len(users)) % 2 == 0, anywhere, shuffled)

    def likelihood(self, users: Any, addresses: Any) -> Any:
        """The chance of each address given the user."""
        found = 0.5 * (addresses >> 8 == self._home[users]) / 256
        for place, share in ((0, 0.7), (1, 0.3)):
            for network in range(NETWORKS):
                of = self._of[users, place], network
                inside = addresses >> self._bits[of] == self._first[of] >> self._bits[of]
                found = found + 0.5 * share / NETWORKS * inside / 2.0 ** self._bits[of]
        return found


def _logins(rows: int, seed: int) -> Logins:
    world = _World(rows, seed)
    users, addresses = world.logins(rows)
    octets = [(addresses >> shift & 255).tolist() for shift in (24, 16, 8, 0)]
    lines = zip(users.tolist(), *octets, strict=True)
    text = "".join(f"user{u},{a}.{b}.{c}.{d}\n" for u, a, b, c, d in lines).encode()
    real_users, real = world.logins(HELD_OUT)
    asked = np.concatenate([real, world.generated(real_users, real)])
    everyone = np.concatenate([real_users, real_users])
    odds = world.likelihood(everyone, asked)
    return Logins(text, rows, everyone, asked, np.repeat([True, False], HELD_OUT), odds)


def _area(score: Score, logins: Logins) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(logins.real, score(logins.users, logins.addresses)))


def _ours(epochs: int) -> Callable[[Logins, int], Fit]:
    def prepare(logins: Logins, seed: int) -> Fit:
        from sagebrush.algorithms.formats.lines import read_line_blocks
        from sagebrush.algorithms.ip_insights.model import IPInsights
        from sagebrush.algorithms.ip_insights.pairs import hash_entities, pack, parse_pairs

        model = IPInsights(
            max(400, logins.rows // 20),
            32,
            epochs=epochs,
            learning_rate=0.01,
            mini_batch_size=min(10_000, max(500, logins.rows // 100)),
            seed=seed,
            threads=THREADS,
        )

        def fit() -> Score:
            blocks = read_line_blocks(io.BytesIO(logins.text))
            parsed = [parse_pairs(block, "the log") for block in blocks]
            packed = np.concatenate([pack(each.entities, each.addresses) for each in parsed])
            with model.working():
                for _ in range(model.epochs):
                    for batch in model.batches(packed):
                        model.partial_fit(batch)
            return score

        def score(users: Any, addresses: Any) -> Any:
            names = hash_entities(f"user{user}" for user in users.tolist())
            return model.score(pack(names, addresses.astype(np.uint32)))

        return fit

    return prepare


def _read(text: bytes) -> tuple[Any, Any]:
    """Users, by number, and addresses of the log, the quickest way that pandas has."""
    import pandas as pd

    table = pd.read_csv(io.BytesIO(text.replace(b".", b",")), header=None)
    codes, names = pd.factorize(table[0])
    numbers = np.array([int(name[4:]) for name in names])[codes]
    addresses = np.zeros(len(table), np.int64)
    for column in range(1, 5):
        addresses = addresses << 8 | table[column].to_numpy(np.int64)
    return numbers, addresses


def _counts(logins: Logins, _: int) -> Fit:
    """How often each user was seen in each /16 and /24, a /24 counting more."""

    def fit() -> Score:
        users, addresses = _read(logins.text)
        tables = {
            n: np.unique(users << 32 | addresses >> (32 - n), return_counts=True) for n in (16, 24)
        }

        def score(users: Any, addresses: Any) -> Any:
            total = np.zeros(len(users))
            for n, (known, counts) in tables.items():
                keys = users << 32 | addresses >> (32 - n)
                at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
                total += np.log1p(np.where(known[at] == keys, counts[at], 0) * (n - 15))
            return total

        return score

    return fit


def _hashed(users: Any, addresses: Any) -> Any:
    """Indicators of each prefix, alone and with the user, hashed: (rows, 2^22) sparse."""
    from scipy import sparse

    columns = []
    for n in LENGTHS:
        prefix = (addresses >> (32 - n)).astype(np.uint64) | np.uint64(n << 32)
        for key in (prefix, prefix | users.astype(np.uint64) << np.uint64(38)):
            spread = key * np.uint64(0x9E3779B97F4A7C15)
            columns.append((spread >> np.uint64(64 - HASH_BITS)).astype(np.int32))
    names = np.stack(columns, axis=1)
    starts = np.arange(0, names.size + 1, names.shape[1])
    ones = np.ones(names.size, np.float32)
    return sparse.csr_matrix((ones, names.ravel(), starts), shape=(len(names), 1 << HASH_BITS))


def _against_generated(logins: Logins, seed: int) -> tuple[Any, Any]:
    """Features and labels: real logins, and as many random and shuffled ones as ours generates."""
    random = np.random.default_rng(seed)
    users, addresses = _read(logins.text)
    anywhere = random.integers(0, 2**32, size=len(users))
    shuffled = addresses[random.permutation(len(users))]
    features = _hashed(np.tile(users, 3), np.concatenate([addresses, anywhere, shuffled]))
    return features, np.repeat([1, 0, 0], len(users))


def _sgd(logins: Logins, seed: int) -> Fit:
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(loss="log_loss", alpha=1e-7, max_iter=5, tol=None, random_state=seed)

    def fit() -> Score:
        model.fit(*_against_generated(logins, seed))
        return lambda users, addresses: model.decision_function(_hashed(users, addresses))

    return fit


def _logistic(logins: Logins, seed: int) -> Fit:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=50, random_state=seed)

    def fit() -> Score:
        model.fit(*_against_generated(logins, seed))
        return lambda users, addresses: model.decision_function(_hashed(users, addresses))

    return fit


def _prefix_items(addresses: Any) -> Any:
    """The prefixes of each address as numbers that tell their lengths, (addresses, lengths)."""
    return np.stack([addresses >> (32 - n) | n << 32 for n in LENGTHS], axis=1)


class _Factors:
    """Scores from factors of users and of prefixes: the sum over an address's known prefixes."""

    def __init__(self, known: Any, users: Any, prefixes: Any) -> None:
        self.known, self.users, self.prefixes = known, users, prefixes

    def __call__(self, users: Any, addresses: Any) -> Any:
        items = _prefix_items(addresses)
        at = np.minimum(np.searchsorted(self.known, items), len(self.known) - 1)
        hit = (self.known[at] == items)[..., None]
        vectors = np.where(hit, self.prefixes[at], 0.0).sum(axis=1)
        seen = (users < len(self.users))[:, None]
        own = np.where(seen, self.users[np.minimum(users, len(self.users) - 1)], 0.0)
        return np.einsum("ij,ij->i", own, vectors)


def _implicit(name: str, **settings: Any) -> Callable[[Logins, int], Fit]:
    def prepare(logins: Logins, seed: int) -> Fit:
        import implicit
        from scipy import sparse

        models = {
            "bpr": implicit.bpr.BayesianPersonalizedRanking,
            "als": implicit.als.AlternatingLeastSquares,
        }
        model = models[name](factors=32, random_state=seed, num_threads=THREADS, **settings)

        def fit() -> Score:
            users, addresses = _read(logins.text)
            known, items = np.unique(_prefix_items(addresses), return_inverse=True)
            pairs = np.repeat(users, len(LENGTHS)), items.ravel()
            counts = sparse.csr_matrix((np.ones(len(pairs[0]), np.float32), pairs))
            model.fit(counts, show_progress=False)
            return _Factors(known, model.user_factors, model.item_factors)

        return fit

    return prepare


def _word2vec(logins: Logins, seed: int) -> Fit:
    from gensim.models import Word2Vec

    def fit() -> Score:
        users, addresses = _read(logins.text)
        items = _prefix_items(addresses)
        names = np.char.mod("u%d", users).tolist()
        sentences = [
            [name, *map(str, prefixes)]
            for name, prefixes in zip(names, items.tolist(), strict=True)
        ]
        model = Word2Vec(
            sentences,
            vector_size=32,
            window=len(LENGTHS),
            min_count=1,
            sg=1,
            negative=5,
            epochs=3,
            workers=THREADS,
            seed=seed,
        )
        known = np.unique(items)
        unit = model.wv.get_normed_vectors()
        places = model.wv.key_to_index
        prefixes = unit[[places[str(item)] for item in known.tolist()]]
        vectors = np.zeros((int(users.max()) + 1, 32), np.float32)
        for user in np.unique(users).tolist():
            vectors[user] = unit[places[f"u{user}"]]
        return _Factors(known, vectors, prefixes)

    return fit


def _truth(logins: Logins, _: int) -> Fit:
    """What the generator knows; asked for the held-out logins only."""
    return lambda: lambda *_: logins.odds


TASKS = (
    Task(
        name="ip-insights",
        summary="who logs in from where: users with homes, and carriers with networks",
        data=_logins,
        numbers_per_row=5,
        sizes=(20_000, 100_000, 500_000, 2_000_000),
        quality_rows=100_000,
        quality=Quality("AUC", higher_is_better=True),
        score=_area,
        contenders=(
            Contender("sagebrush", _ours(3), ours=True),
            Contender("sagebrush, 1 epoch", _ours(1), ours=True),
            Contender("count tables (pandas, numpy)", _counts),
            Contender("sklearn SGDClassifier", _sgd),
            Contender("sklearn LogisticRegression", _logistic, max_rows=20_000),
            Contender("implicit BPR", _implicit("bpr", iterations=30), PEERS),
            Contender("implicit ALS", _implicit("als", iterations=10), PEERS),
            Contender("gensim Word2Vec", _word2vec, PEERS, max_rows=500_000),
            Contender("the generator's own odds", _truth, reference=True),
        ),
    ),
)
