"""Handlers are found by name, and every one of them is an operation of its model."""

from __future__ import annotations

import botocore
import pytest
from botocore.session import Session

from sagebrush.gateway.registry import Registry, snake_case
from sagebrush.services import SERVICES
from sagebrush.wire import load


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_declared_module_loads_and_holds_operations_only(service: str) -> None:
    registry = Registry()
    operations = load(service).operations
    supported = registry.supported()[service]
    assert supported
    names = {snake_case(name): name for name in operations}
    for handler in supported:
        assert registry.handler(service, names[handler]) is not None


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_names_are_those_of_the_python_sdk(service: str) -> None:
    for name in Session().get_service_model(service).operation_names:
        assert snake_case(name) == botocore.xform_name(name)


def test_an_unknown_operation_has_no_handler() -> None:
    registry = Registry()
    assert registry.handler("sagemaker", "CreateHub") is None
    assert registry.handler("no-such-service", "Anything") is None
