"""What this machine offers for running jobs, found out by really using it once.

`python -m sagebrush.run.facilities DIRECTORY` prints it as JSON, in a process that can be thrown
away after having changed its namespaces.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sagebrush.run import bubblewrap, kernel, limits, member, sandbox, signals
from sagebrush.run.spec import Access, Limits, Member, Mount, ProcessSpec


@dataclass(frozen=True)
class Facilities:
    """What jobs run under.

    `isolation`: `namespaces` (as root), `user-namespaces`, `bubblewrap`, or `process`: none, with
    the same layout but the machine's files, processes and network in sight. `overlay`: whether a
    job can write into its inputs without changing them; else they are read-only. `limiter`:
    `cgroup-v2`, `cgroup-v1`, `rlimits` (memory only) or `none`. `reasons`: why nothing stronger.
    """

    isolation: str
    overlay: bool
    limiter: str
    reasons: tuple[str, ...]

    @classmethod
    def from_json(cls, text: bytes) -> Facilities:
        """Return what the probe printed."""
        raw = json.loads(text)
        return cls(raw["isolation"], raw["overlay"], raw["limiter"], tuple(raw["reasons"]))


def probe(directory: Path) -> Facilities:
    """Return what works here; files are made under `directory`, as jobs' are."""
    limiter, reasons = limits.detect()
    if not kernel.LINUX:
        reasons.append("namespaces: Linux only")
    else:
        strongest = sandbox.NAMESPACES if os.geteuid() == 0 else sandbox.USER_NAMESPACES
        candidates = dict.fromkeys((strongest, sandbox.USER_NAMESPACES))
        if bubblewrap.available():
            candidates[sandbox.BUBBLEWRAP] = None
        for candidate in candidates:
            for overlay in (True, False) if candidate != sandbox.BUBBLEWRAP else (False,):
                problem = _try_view(directory, candidate, overlay=overlay)
                if problem is None:
                    return Facilities(candidate, overlay, limiter, tuple(reasons))
                with_overlay = " with overlays" if overlay else ""
                reasons.append(f"{candidate}{with_overlay}: {problem}")
    return Facilities(sandbox.PROCESS, False, limiter, tuple(reasons))


def _try_view(directory: Path, isolation: str, *, overlay: bool) -> str | None:
    """Run one command in a complete view; return what was refused, or None."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="probe-") as name:
        (Path(name) / "ml" / "input").mkdir(parents=True)
        mounts = (
            Mount(f"{name}/ml", "/opt/ml", Access.READ_WRITE),
            Mount(f"{name}/ml/input", "/opt/ml/input", Access.COPY_ON_WRITE),
        )
        one = Member("probe", argv=("/bin/sh", "-c", "exit 7"), mounts=mounts)
        spec = ProcessSpec(
            "probe", name, (one,), network=False, isolation=isolation, overlay=overlay
        )
        return _run_in_fork(spec)


def _run_in_fork(spec: ProcessSpec) -> str | None:
    answer_read, answer_write = os.pipe()
    child = os.fork()
    if child == 0:
        problem = ""
        try:
            problem = _run_member(spec)
        except OSError as error:
            problem = str(error)
        finally:
            os.write(answer_write, problem.encode())
            os._exit(0)
    os.close(answer_write)
    os.waitpid(child, 0)
    with os.fdopen(answer_read, "rb") as answer:
        return answer.read().decode() or None


def _run_member(spec: ProcessSpec) -> str:
    one = spec.members[0]
    sandbox.prepare(spec, one)
    life_read, _ = os.pipe()
    signals.block({member.KILL_REQUEST})
    sandbox.enter_job(spec)
    group = limits.group_of(limits.NONE, spec.directory, one.name, Limits())
    pid, report = member.start(spec, one, group, life_read)
    os.waitpid(pid, 0)
    with os.fdopen(report, "rb") as lines:
        told = [json.loads(line) for line in lines]
    fields = {key: value for line in told for key, value in line.items()}
    if fields.get("exit_code") == 7:
        return ""
    return str(fields.get("error", f"the probe ended with {fields}"))


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(probe(Path(sys.argv[1])))))
