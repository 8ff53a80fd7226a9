"""Where a job trains: on a GPU if ``tree_method`` is ``gpu_hist`` and there is one to use."""

from dataclasses import dataclass, field

import xgboost

from sagebrush.algorithms.gpu import usable_gpus

GPU_METHOD = "gpu_hist"
_FIRST_MAJOR_WITH_DEVICES = 2
INSTALL_CUDA = "pip uninstall xgboost-cpu && pip install --force-reinstall xgboost"


@dataclass(frozen=True)
class Device:
    """What xgboost is told of the device, and what the log is."""

    parameters: dict[str, str] = field(default_factory=dict)
    note: str = ""
    is_gpu: bool = False


def choose_device(tree_method: str | None, *, hosts: int, paged: bool) -> Device:
    """The device for a job of so many ``hosts``, whose rows are ``paged`` to disk or in memory.

    On the CPU ``gpu_hist`` is ``hist``, which finds the same splits but for rounding.
    """
    if tree_method != GPU_METHOD:
        return Device()
    obstacle = _obstacle(hosts, paged=paged)
    if obstacle is not None:
        return Device(
            {"tree_method": "hist"},
            f"No GPU is used: tree_method gpu_hist runs as hist on the CPU, since {obstacle}.",
        )
    version = xgboost.__version__
    if int(version.partition(".")[0]) < _FIRST_MAJOR_WITH_DEVICES:
        parameters = {"tree_method": GPU_METHOD}
    else:
        parameters = {"tree_method": "hist", "device": "cuda"}
    note = f"Training on a GPU: xgboost {version} gets {parameters}."
    return Device(parameters, note, is_gpu=True)


def _obstacle(hosts: int, *, paged: bool) -> str | None:
    """Why no GPU can be used; None if one can."""
    if hosts > 1:
        return "several instances would share this machine's"
    if paged:
        return "the data is larger than the memory and read in pages"
    if usable_gpus() == 0:
        return "there is none that CUDA can use"
    if not xgboost.build_info().get("USE_CUDA"):
        return (
            f"xgboost {xgboost.__version__} was built without CUDA; install a build with it by: "
            f"{INSTALL_CUDA}"
        )
    return None
