"""Asynchronous and serverless endpoints through the SageMaker SDK, as its users deploy them."""

from __future__ import annotations

from typing import Any


def test_v2_deploys_asynchronous_and_serverless_endpoints(run_program: Any) -> None:
    answer = run_program("sdk-v2", "sdk_v2_async_serverless.py")
    assert answer["counts"] == [3, 5, 4]
    assert answer["refused"]
    assert answer["serverless"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}


def test_v2_deploys_inference_components(run_program: Any) -> None:
    answer = run_program("sdk-v2", "sdk_v2_components.py")
    assert answer["counts"] == [3, 4]
    assert answer["listed"] == answer["names"]
    assert len(set(answer["names"])) == 2
    assert answer["copies"] == 2
    assert answer["required"] == {
        "NumberOfCpuCoresRequired": 0.5,
        "MinMemoryRequiredInMb": 1024,
        "MaxMemoryRequiredInMb": 2048,
    }
