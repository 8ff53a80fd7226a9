"""Identifiers are what AWS's look like, and never the same twice."""

from __future__ import annotations

import os
import re

from sagebrush.base.identifiers import request_id

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_request_ids_are_different_uuids():
    made = [request_id() for _ in range(1000)]
    assert len(set(made)) == len(made)
    assert all(_UUID.fullmatch(each) for each in made)


def test_a_fork_makes_its_own():
    request_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, request_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() != request_id()
