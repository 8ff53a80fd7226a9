"""Buckets that the platform provides."""

from typing import Any

from sagebrush.engines.objects import Provided
from sagebrush.engines.objects.provided import PROVIDER_ACCOUNT

REGION = "eu-west-1"


class Provider:
    """Provides the bucket `shop` with contents that a test may change."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = contents

    def __call__(self, name: str) -> Provided | None:
        return Provided(REGION, dict(self.contents)) if name == "shop" else None


def read(store: Any, key: str) -> bytes:
    return store.read(store.get("shop", key))


def test_a_provided_bucket_is_there_once_it_is_asked_for(bench: Any) -> None:
    bench.store.provided.add(Provider(apple=b"red", pear=b"green"))
    assert bench.store.bucket("other") is None
    bucket = bench.store.bucket("shop")
    assert (bucket.account, bucket.region) == (PROVIDER_ACCOUNT, REGION)
    assert [entry.key for entry in bench.store.list("shop")] == ["apple", "pear"]
    assert read(bench.store, "pear") == b"green"
    assert bench.store.provided.holds(bucket)


def test_objects_are_written_once_and_anew_when_what_is_provided_changes(bench: Any) -> None:
    provider = Provider(apple=b"red", pear=b"green")
    bench.store.provided.add(provider)
    bench.store.bucket("shop")
    bench.clock.advance(60)
    written = bench.store.get("shop", "pear").last_modified
    bench.clock.advance(60)
    assert bench.store.get("shop", "pear").last_modified == written
    provider.contents["pear"] = b"yellow"
    assert read(bench.store, "pear") == b"yellow"
    assert bench.store.get("shop", "pear").last_modified > written


def test_what_a_roll_back_took_is_provided_again(bench: Any) -> None:
    bench.store.provided.add(Provider(apple=b"red"))
    try:
        with bench.db.transaction():
            assert bench.store.bucket("shop") is not None
            raise RuntimeError
    except RuntimeError:
        pass
    assert read(bench.store, "apple") == b"red"


def test_a_users_bucket_of_the_name_stays_the_users(bench: Any) -> None:
    own = bench.store.buckets.create("111111111111", REGION, "shop", 0.0)
    bench.store.provided.add(Provider(apple=b"red"))
    assert bench.store.bucket("shop") == own
    assert not bench.store.provided.holds(own)
    assert list(bench.store.list("shop")) == []
