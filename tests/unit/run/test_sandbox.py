"""What a job can see and change. Every test is skipped where the machine has no namespaces."""

from __future__ import annotations

import dataclasses
import socket
import sys
from pathlib import Path

from sagebrush.run.facilities import Facilities
from sagebrush.run.records import Reason
from sagebrush.run.spec import Access, Mount

from .conftest import Workbench, log_of, play, python, shell


def test_hidden_directory_is_empty(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        secrets = root / "secrets"
        secrets.mkdir()
        (secrets / "key").write_text("hush")
        spec = bench.job("hidden", shell(f"cat {secrets}/key; find {root} -name key"))
        await bench.run(spec)
        assert "hush" not in log_of(spec)
        assert f"{secrets}/key: No such file" in log_of(spec)
        assert not any(line.endswith("/key") for line in log_of(spec).splitlines())

    play(root, story, isolation=sandboxed)


def test_hidden_file_is_empty(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        # Outside the workbench, whose root is hidden as a whole, and outside /tmp.
        secret = Path.home() / f".sagebrush-test-{root.name}"
        secret.write_text("hush")
        try:
            spec = bench.job("hidden-file", shell(f"cat {secret}; echo end"))
            await bench.run(dataclasses.replace(spec, hidden=(str(secret),)))
        finally:
            secret.unlink()
        assert "hush" not in log_of(spec)
        assert log_of(spec).endswith("end\n")

    play(root, story, isolation=sandboxed)


def test_inputs_look_writable_and_originals_stay(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        script = (
            "cd /opt/ml/input/data/train && echo more >> part && chmod 600 part"
            " && echo new > other && rm part && ls"
        )
        spec = bench.job("inputs", shell(script))
        if not (await bench.supervisor.facilities()).overlay:
            ended = await bench.run(spec)
            assert ended.exit_code != 0
            return
        channel = Path(spec.directory, "ml-algo-1/input/data/train")
        linked = root / "object"
        linked.hardlink_to(channel / "part")
        before = linked.stat()
        ended = await bench.run(spec)
        assert (ended.exit_code, log_of(spec)) == (0, "other\n")
        assert [path.name for path in channel.iterdir()] == ["part"]
        assert linked.read_text() == "original"
        assert (linked.stat().st_mode, linked.stat().st_nlink) == (before.st_mode, 2)

    play(root, story, isolation=sandboxed)


def test_read_only_mount_and_root_cannot_be_written(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        code = root / "code"
        code.mkdir()
        script = f"touch /opt/ml/code/x /etc/{root.name} /{root.name}; mount -o remount,rw /"
        member = shell(script, mounts=(Mount(str(code), "/opt/ml/code"),))
        spec = bench.job("read-only", member)
        await bench.run(spec)
        assert log_of(spec).count("Read-only file system") == 3
        assert not list(code.iterdir())
        assert not Path("/etc", root.name).exists()

    play(root, story, isolation=sandboxed)


def test_private_directories_are_private_and_writable(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        script = "ls -A /tmp /dev/shm && touch /tmp/a /dev/shm/b /opt/ml/c && echo end"
        spec = bench.job("private", shell(script))
        await bench.run(spec)
        seen = log_of(spec).split()
        assert seen[0] == "/dev/shm:"
        assert seen[1] == "/tmp:"
        # Of the machine's /tmp only what leads to the job and to the code it runs is there.
        needed = {root.name} | {
            Path(path).parts[2] for path in (sys.prefix, __file__) if path.startswith("/tmp/")
        }
        assert set(seen[2:-1]) <= needed
        assert seen[-1] == "end"
        assert Path(spec.directory, "ml-algo-1/c").exists()
        assert not Path("/dev/shm/b").exists()

    play(root, story, isolation=sandboxed)


def test_mount_points_are_made_without_touching_the_host(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        had = sorted(path.name for path in Path("/opt").iterdir())
        file = root / "file"
        file.write_text("content")
        mounts = (
            Mount(str(file), "/opt/deep/down/file"),
            Mount(str(root / "run"), "/usr/local/share/sagebrush-test/run", Access.READ_ONLY),
        )
        spec = bench.job("points", shell("cat /opt/deep/down/file; ls /opt /usr", mounts=mounts))
        ended = await bench.run(spec)
        assert ended.exit_code == 0, log_of(spec)
        assert log_of(spec).startswith("content")
        assert set(had) <= set(log_of(spec).split())
        assert sorted(path.name for path in Path("/opt").iterdir()) == had
        assert not Path("/usr/local/share/sagebrush-test").exists()

    play(root, story, isolation=sandboxed)


def test_other_processes_are_out_of_sight(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("processes", shell("ls /proc | grep -c '^[0-9]'; hostname"))
        await bench.run(spec)
        count, name = log_of(spec).split()
        assert (int(count) <= 5, name) == (True, "algo-1")

    play(root, story, isolation=sandboxed)


def test_no_network_means_only_an_own_loopback(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            script = (
                "import socket, sys\n"
                "print(sorted(name for _, name in socket.if_nameindex() if name == 'lo'"
                " or name.startswith('e')))\n"
                f"for address in (('127.0.0.1', {port}), ('192.0.2.1', 80)):\n"
                "    try: socket.create_connection(address, 5); print('connected')\n"
                "    except OSError as error: print(error.strerror)\n"
                "own = socket.create_server(('127.0.0.1', 0))\n"
                "socket.create_connection(own.getsockname())"
            )
            spec = bench.job("isolated", python(script), network=False)
            ended = await bench.run(spec)
            assert log_of(spec) == "['lo']\nConnection refused\nNetwork is unreachable\n"
            assert ended.exit_code == 0

    play(root, story, isolation=sandboxed)


def test_network_is_there_when_wanted(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            script = f"import socket; socket.create_connection(('localhost', {port}), 5)"
            ended = await bench.run(bench.job("network", python(script)))
            assert ended.reason is Reason.COMPLETED

    play(root, story, isolation=isolation)


def test_privileges_are_gone(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        script = (
            "grep -E 'CapEff|NoNewPrivs' /proc/self/status; umount /tmp; mknod /tmp/disk b 254 0;"
            "echo leak > /proc/sys/kernel/core_pattern; echo end"
        )
        spec = bench.job("privileges", shell(script))
        await bench.run(spec)
        capabilities, privileges = log_of(spec).splitlines()[:2]
        assert int(capabilities.split()[1], 16) & (1 << 21) == 0  # CAP_SYS_ADMIN
        assert privileges.split() == ["NoNewPrivs:", "1"]
        assert log_of(spec).splitlines()[-1] == "end"
        assert Path("/proc/sys/kernel/core_pattern").read_text() != "leak\n"

    play(root, story, isolation=sandboxed)


def test_disks_are_out_of_reach(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("devices", shell("find /dev -type b; echo x > /dev/null; tty; echo end"))
        await bench.run(spec)
        assert log_of(spec) == "not a tty\nend\n"

    play(root, story, isolation=sandboxed)


def test_interpreter_under_a_covered_path_still_runs(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        # The package itself is reached through the workbench's directory, which is hidden.
        spec = bench.job("python", python("import sagebrush.run.spec as m; print(m.__file__)"))
        spec.members[0].environment["PYTHONPATH"] = bench.supervisor.python_path
        ended = await bench.run(spec)
        assert ended.exit_code == 0, log_of(spec)
        assert str(root) in log_of(spec)

    play(root, story, isolation=sandboxed)


def test_facilities_name_what_is_missing(facilities: Facilities) -> None:
    weaker = facilities.isolation == "process" or facilities.limiter != "cgroup-v2"
    assert weaker == bool(facilities.reasons)
