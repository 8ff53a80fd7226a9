"""Any request the model allows is answered or refused as S3 refuses: never a defect."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.objects import BytesStream
from sagebrush.gateway.registry import Registry
from sagebrush.wire import load
from sagebrush.wire.codec import codec_of
from sagebrush.wire.model import Shape

from .conftest import OTHER, S3

OPERATIONS = sorted(
    "".join(word.capitalize() for word in name.split("_")) for name in Registry().supported()["s3"]
)
TRIES = 20
TEXTS = [
    "",
    "a",
    "key",
    "bucket/key",
    "bytes=0-1",
    "bytes=" + "9" * 5000 + "-",
    "*",
    '"',
    "a=b&c",
    "\x00",
    "é" * 600,
    "id=x",
    "{}",
    "AAAAAA==",
    "null",
]
NUMBERS = [-(2**31), -1, 0, 1, 2, 10_001, 2**31 - 1]


class Sampler:
    """Draws requests that fit the model, and odd ones that just do."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def structure(self, shape: Shape, depth: int = 0) -> dict[str, Any]:
        share = 0.3 if depth == 0 else 0.6
        return {
            name: self.value(member, depth + 1)
            for name, member in shape.members.items()
            if name in shape.required or (depth < 6 and self._random.random() < share)
        }

    def value(self, shape: Shape, depth: int) -> Any:
        if shape.type == "structure":
            return self.structure(shape, depth)
        if shape.type == "list":
            return [self.value(shape.element, depth + 1) for _ in range(self._random.randint(0, 2))]
        if shape.type == "map":
            return {"name": self._random.choice(TEXTS)}
        if shape.type == "string":
            return self._random.choice(shape.traits.get("enum") or TEXTS)
        if shape.type == "boolean":
            return self._random.random() < 0.5
        if shape.type == "timestamp":
            return self._random.choice([0.0, 86_400.0, 1_700_000_000.5, 4_000_000_000.0])
        if shape.type == "blob":
            return self._random.randbytes(self._random.choice([0, 5, 20_000]))
        least, most = shape.traits.get("min", NUMBERS[0]), shape.traits.get("max", NUMBERS[-1])
        return max(least, min(most, self._random.choice(NUMBERS)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_any_request_is_answered_or_refused(s3: S3, operation: str) -> None:
    model = load("s3").operations[_model_name(operation)]
    for attempt in range(TRIES):
        s3("CreateBucket", Bucket="bucket", ObjectLockEnabledForBucket=False)
        s3.put("key", Tagging="a=b")
        upload_id = s3("CreateMultipartUpload", Bucket="bucket", Key="key")["UploadId"]
        s3("UploadPart", Bucket="bucket", Key="key", UploadId=upload_id, PartNumber=1, Body=b"x")
        sampler = Sampler(f"{operation}{attempt}")
        assert model.input is not None
        request = sampler.structure(model.input)
        if "Body" in model.input.members:
            request.setdefault("Body", BytesStream(b"body"))
        known = {"Bucket": "bucket", "Key": "key", "UploadId": upload_id}
        request |= {name: value for name, value in known.items() if name in request}
        if attempt % 2:
            request.pop("ExpectedBucketOwner", None)
        try:
            account = OTHER if attempt % 5 == 4 else "111111111111"
            answer = s3(model.name, account=account, **request)
        except ApiError as error:
            assert error.status is None or 300 <= error.status < 600  # noqa: PT017
            continue
        finally:
            _forget_policy(s3)
        response = codec_of(model, "rest-xml").serialise(answer, "id")
        assert 200 <= response.status < 400


def _model_name(operation: str) -> str:
    names = {name.lower(): name for name in load("s3").operations}
    return names[operation.lower()]


def _forget_policy(s3: S3) -> None:
    s3.platform.db.execute("DELETE FROM s3_bucket_settings")
    for bucket in s3.platform.objects.buckets.list("111111111111"):
        s3.platform.objects.buckets.set_versioning(bucket.name, "")
