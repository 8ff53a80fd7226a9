"""Packs and the index: complete, small, cached, and never in the way."""

from __future__ import annotations

import gzip
import subprocess
import sys

import orjson
import pytest
from botocore.loaders import Loader

from sagebrush.wire import Catalogue, UnknownServiceError
from sagebrush.wire.pack import CACHE_VARIABLE, default_cache_dir


def test_the_index_knows_what_botocores_loader_knows(tmp_path):
    services = Catalogue(tmp_path).services
    loader = Loader(include_default_search_paths=True)
    assert sorted(services) == loader.list_available_services("service-2")
    for name in ("s3", "ec2", "cloudfront", "sagemaker-runtime", "cloudwatch"):
        metadata = loader.load_service_model(name, "service-2")["metadata"]
        info = services[name]
        assert info.api_version == loader.determine_latest_version(name, "service-2")
        assert info.service_id == metadata["serviceId"]
        assert list(info.protocols) == metadata["protocols"]
        assert info.target_prefix == metadata.get("targetPrefix")


def test_packs_have_every_operation_shape_and_member_but_no_documentation(tmp_path):
    loader = Loader(include_default_search_paths=True)
    for name in ("sagemaker", "iam", "rds"):
        full, model = loader.load_service_model(name, "service-2"), Catalogue(tmp_path).load(name)
        assert set(model.operations) == set(full["operations"])
        assert set(model.shapes) == set(full["shapes"])
        for shape, traits in full["shapes"].items():
            assert set(model.shapes[shape].get("members", ())) == set(traits.get("members", ()))
        packed = (model_file(tmp_path, name)).read_bytes()
        assert b"<p>" not in packed
        assert len(packed) < len(orjson.dumps(full)) / 2


def model_file(cache, name):
    (found,) = cache.glob(f"packs/*/{name}.json")
    return found


def test_the_newest_version_is_taken_with_its_extras_and_all_its_members(tmp_path):
    """Members may be called like traits; only the traits are dropped."""
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore" / "__init__.py").write_text("__version__ = '9.9'\n")
    data = tmp_path / "botocore" / "data"
    for version in ("2019-01-01", "2020-01-01"):
        folder = data / "thing" / version
        folder.mkdir(parents=True)
        text = {"shape": "Text", "documentation": "d" * 9000}
        model = {
            "version": "2.0",
            "documentation": "d" * 9000,
            "metadata": {
                "apiVersion": version,
                "endpointPrefix": "thing",
                "protocol": "json",
                "serviceId": "Thing",
            },
            "operations": {},
            "shapes": {
                "Text": {"type": "string", "documentation": "x"},
                "Page": {"type": "structure", "members": {"documentation": text}},
            },
        }
        (folder / "service-2.json.gz").write_bytes(gzip.compress(orjson.dumps(model)))
    extras = {"merge": {"shapes": {"Page": {"members": {"More": {"shape": "Text"}}}}}}
    (folder / "service-2.sdk-extras.json").write_bytes(orjson.dumps(extras))
    model = Catalogue(tmp_path / "cache", data).load("thing")
    assert model.info.api_version == "2020-01-01"
    members = {"documentation": {"shape": "Text"}, "More": {"shape": "Text"}}
    assert model.shapes["Page"]["members"] == members
    assert model.shapes["Text"] == {"type": "string"}


def test_packs_come_from_the_cache_the_second_time(tmp_path):
    Catalogue(tmp_path).load("sts")
    document = orjson.loads(model_file(tmp_path, "sts").read_bytes())
    document["operations"] = {"GetCallerIdentity": document["operations"]["GetCallerIdentity"]}
    model_file(tmp_path, "sts").write_bytes(orjson.dumps(document))
    assert list(Catalogue(tmp_path).load("sts").operations) == ["GetCallerIdentity"]


def test_a_damaged_cache_is_rebuilt(tmp_path):
    Catalogue(tmp_path).load("sts")
    for file in tmp_path.glob("packs/*/*.json"):
        file.write_bytes(b"{")
    assert "AssumeRole" in Catalogue(tmp_path).load("sts").operations
    assert orjson.loads(model_file(tmp_path, "sts").read_bytes())


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "AssumeRole" in Catalogue(blocked).load("sts").operations


def test_unknown_services_are_named():
    with pytest.raises(UnknownServiceError, match="nothing"):
        Catalogue().load("nothing")


def test_the_cache_directory_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert str(default_cache_dir()) == "/somewhere/sagebrush"


def test_models_are_read_without_importing_botocore(tmp_path):
    program = (
        "import sys; from pathlib import Path; from sagebrush.wire import Catalogue;"
        f"Catalogue(Path({str(tmp_path)!r})).load('sts');"
        "print([m for m in sys.modules if m.split('.')[0] in ('botocore', 'boto3', 'numpy')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
