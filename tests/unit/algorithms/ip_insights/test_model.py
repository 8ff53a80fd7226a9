"""IP Insights as a library: what it learns, and that it learns the same again."""

import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.unit.algorithms.ip_insights.networks import HOMES, USERS, elsewhere, pairs

from sagebrush.algorithms.collective import connect
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.ip_insights.model import IPInsights

SMALL = {"learning_rate": 0.02, "mini_batch_size": 300, "epochs": 5}


def area(model: IPInsights, negatives: tuple[list[str], list[str]]) -> float:
    real = model.predict(*pairs(1000, seed=9))
    wrong = model.predict(*negatives)
    labels = np.repeat([1, 0], [real.size, wrong.size])
    return float(roc_auc_score(labels, np.concatenate([real, wrong])))


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize(("random", "shuffled"), [(1, 1), (0, 2), (4, 0)])
def test_it_learns_who_is_at_home_where(layers, random, shuffled):
    model = IPInsights(
        2 * USERS,
        16,
        num_ip_encoder_layers=layers,
        random_negative_sampling_rate=random,
        shuffled_negative_sampling_rate=shuffled,
        **SMALL,
    )
    model.fit(*pairs(6000, seed=1))
    if shuffled:
        assert area(model, elsewhere(1000, seed=2)) > 0.99
    if random:
        users, _ = elsewhere(1000, seed=3)
        anywhere = np.random.default_rng(0).integers(0, 2**32, 1000).tolist()
        assert area(model, (users, anywhere)) > 0.99


def test_the_score_is_the_log_of_the_odds_against_generated_pairs():
    users, addresses = pairs(20_000, seed=1)
    one_each = [f"{address.rpartition('.')[0]}.1" for address in addresses]
    for shuffled in (1, 3):
        model = IPInsights(
            2 * USERS,
            16,
            random_negative_sampling_rate=0,
            shuffled_negative_sampling_rate=shuffled,
            learning_rate=0.01,
            mini_batch_size=2000,
            epochs=15,
        ).fit(users, one_each)
        # A real pair has the user's own home, each of `shuffled` generated ones has it with a
        # chance of one in 15.
        found = model.predict(users[:100], one_each[:100])
        assert found.mean() == pytest.approx(np.log(HOMES / shuffled), abs=0.15)


def test_one_seed_is_one_model_on_any_number_of_threads():
    models = [
        IPInsights(2 * USERS, 8, seed=seed, threads=threads, mini_batch_size=9000, epochs=2)
        for seed, threads in ((1, 1), (1, 1), (1, 3), (2, 1))
    ]
    scores = [model.fit(*pairs(9000, 1)).predict(*pairs(50, 2)) for model in models]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert not np.array_equal(scores[0], scores[3])


def test_saved_and_loaded_it_scores_the_same(tmp_path: Path):
    model = IPInsights(2 * USERS, 8, num_ip_encoder_layers=2, **SMALL).fit(*pairs(3000, 1))
    model.save(tmp_path)
    loaded = IPInsights.load(tmp_path)
    asked = pairs(500, 2)
    asked[0][0], asked[1][1] = "nobody", "203.0.113.9"
    np.testing.assert_array_equal(model.predict(*asked), loaded.predict(*asked))
    assert loaded.num_entity_vectors == 2 * USERS
    assert loaded.num_ip_encoder_layers == 2


def test_a_full_table_is_shared_after_loading_too(tmp_path: Path):
    model = IPInsights(5, 8, **SMALL).fit(*pairs(2000, 1))
    assert model.entities.used == 5
    model.save(tmp_path)
    asked = pairs(500, 2)
    np.testing.assert_array_equal(model.predict(*asked), IPInsights.load(tmp_path).predict(*asked))


def test_an_entity_without_history_scores_nothing():
    model = IPInsights(2 * USERS, 8, **SMALL).fit(*pairs(2000, 1))
    assert model.predict(["nobody", "nobody"], ["20.7.3.1", "1.2.3.4"]).tolist() == [0.0, 0.0]


def test_every_two_addresses_have_different_vectors():
    model = IPInsights(10, 8, **SMALL).fit(*pairs(500, 1))
    addresses = np.random.default_rng(0).integers(0, 2**32, 3000).tolist()
    addresses += [each ^ 1 for each in addresses]
    vectors = model.embeddings(model.packed(["user-1"] * 6000, addresses))[1]
    assert np.unique(vectors.round(9), axis=0).shape[0] == len(set(addresses))


def test_entity_vectors_that_nobody_uses_take_no_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = IPInsights(250_000_000, 16, **SMALL).fit(*pairs(2000, 1))
    assert model.entities.used == USERS
    # Kibibytes; a vector of four bytes each would take a million.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_two_hosts_hold_one_model_of_all_pairs():
    hosts = ["127.0.5.1", "127.0.5.2"]
    users, addresses = pairs(6000, 1)
    # Each host has the pairs of its own half of the users, one of them fewer batches.
    halves = [
        [at for at, user in enumerate(users) if (int(user[5:]) < USERS // 3) == (rank == 0)]
        for rank in range(2)
    ]

    def host(rank: int) -> IPInsights:
        group = connect(hosts, hosts[rank], job="two hosts of ip insights", timeout_s=20)
        model = IPInsights(2 * USERS, 16, collective=group, **SMALL)
        own = halves[rank]
        packed = model.packed([users[at] for at in own], [addresses[at] for at in own])
        with model.working():
            for _ in range(model.epochs):
                batches = model.batches(packed)
                batch = next(batches, None)
                while group.any(batch is not None):
                    model.partial_fit(batch)
                    batch = next(batches, None)
        group.close()
        return model

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(host, range(2))
    for one, other in ((first.entities, second.entities), (first.prefixes, second.prefixes)):
        assert one.used == other.used
        np.testing.assert_array_equal(one.weights[: one.used], other.weights[: one.used])
    np.testing.assert_array_equal(*(m.encoder.layers[0].weight for m in (first, second)))
    assert area(first, elsewhere(1000, 2)) > 0.99


def test_nothing_to_learn_and_wrong_arguments_are_refused():
    with pytest.raises(ClientError, match="no pairs"):
        IPInsights(4, 4).fit([], [])
    with pytest.raises(ValueError, match="2 entities for 1 addresses"):
        IPInsights(4, 4).fit(["a", "b"], ["1.2.3.4"])
    with pytest.raises(ValueError, match=r"'1\.2\.3' is not an IPv4 address"):
        IPInsights(4, 4).predict(["a"], ["1.2.3"])
    for rates in ((0, 0), (400, 101)):
        with pytest.raises(ValueError, match="1 to 500"):
            IPInsights(
                4,
                4,
                random_negative_sampling_rate=rates[0],
                shuffled_negative_sampling_rate=rates[1],
            )
