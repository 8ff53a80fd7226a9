"""Where ``gpu_hist`` trains. What the machine and the build have is replaced: none has a GPU."""

import pytest
import xgboost

from sagebrush.algorithms.errors import AlgorithmError, ClientError
from sagebrush.algorithms.xgboost import device
from sagebrush.algorithms.xgboost.device import INSTALL_CUDA, choose_device
from sagebrush.algorithms.xgboost.failures import training_failure


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """A function that says how many GPUs there are, and whether and which xgboost has CUDA."""

    def be(gpus: int = 1, *, cuda: bool = True, version: str = "3.2.0") -> None:
        monkeypatch.setattr(device, "usable_gpus", lambda: gpus)
        monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": cuda})
        monkeypatch.setattr(xgboost, "__version__", version)

    return be


@pytest.mark.parametrize(
    ("version", "parameters"),
    [
        ("1.7.6", {"tree_method": "gpu_hist"}),
        ("2.0.3", {"tree_method": "hist", "device": "cuda"}),
        ("3.2.0", {"tree_method": "hist", "device": "cuda"}),
    ],
)
def test_each_version_has_its_words_for_a_gpu(machine, version, parameters):
    machine(version=version)
    chosen = choose_device("gpu_hist", hosts=1, paged=False)
    assert chosen.is_gpu
    assert chosen.parameters == parameters
    assert f"Training on a GPU: xgboost {version}" in chosen.note


@pytest.mark.parametrize("method", [None, "auto", "hist", "approx", "exact"])
def test_only_gpu_hist_asks_for_a_gpu(machine, method):
    machine()
    chosen = choose_device(method, hosts=1, paged=False)
    assert (chosen.parameters, chosen.note, chosen.is_gpu) == ({}, "", False)


@pytest.mark.parametrize(
    ("gpus", "cuda", "hosts", "paged", "reason"),
    [
        (0, True, 1, False, "there is none that CUDA can use"),
        (1, False, 1, False, INSTALL_CUDA),
        (1, True, 2, False, "several instances"),
        (1, True, 1, True, "larger than the memory"),
    ],
)
def test_the_processor_is_used_with_the_reason(machine, gpus, cuda, hosts, paged, reason):
    machine(gpus, cuda=cuda)
    chosen = choose_device("gpu_hist", hosts=hosts, paged=paged)
    assert not chosen.is_gpu
    assert chosen.parameters == {"tree_method": "hist"}
    assert "runs as hist on the CPU" in chosen.note
    assert reason in chosen.note


def test_a_job_on_a_gpu_says_so_and_leaves_a_model_for_the_processor(
    machine, monkeypatch, job, make_data, csv_text
):
    """Without a GPU xgboost falls back to the processor, so the words are all that is seen."""
    seen = []
    booster = xgboost.Booster

    class Seen(booster):
        def __init__(self, params=None, *others, **named):
            seen.append(dict(params or {}))
            super().__init__(params, *others, **named)

    machine(version=xgboost.__version__)
    monkeypatch.setattr(xgboost, "Booster", Seen)
    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    output = job.run(tree_method="gpu_hist")
    assert "Training on a GPU" in output
    assert "No GPU is used" not in output
    assert seen[0]["device"] == "cuda"
    assert seen[0]["tree_method"] == "hist"
    assert b"cuda" not in job.model_path.read_bytes()


OUT_OF_MEMORY = """\
Memory allocation error on worker 0: std::bad_alloc: cudaErrorMemoryAllocation: out of memory
- Free memory: 12GB"""
BROKEN = "[12:00:00] copy.cu:8: cudaErrorIllegalAddress: an illegal memory access"


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        (OUT_OF_MEMORY, ClientError, "The memory of the GPU is too small"),
        (BROKEN, AlgorithmError, "Training on the GPU failed"),
    ],
)
def test_a_gpu_that_gives_up_names_the_way_out(message, kind, words):
    failure = training_failure(xgboost.core.XGBoostError(f"{message}\nStack trace:\n  [bt]"))
    assert type(failure) is kind
    assert words in str(failure)
    assert "Set tree_method to hist instead of gpu_hist" in str(failure)
    assert "Stack trace" not in str(failure)
