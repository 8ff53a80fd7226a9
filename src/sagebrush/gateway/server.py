"""The server process: opens the data directory, starts the services, listens, stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from sagebrush.base.adjustable_clock import AdjustableClock
from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import (
    CLOCK_FILE,
    LOCK_FILE,
    ROOT_CREDENTIALS_FILE,
    RUNNING_FILE,
    Settings,
    make_data_dir,
)
from sagebrush.gateway.application import Gateway
from sagebrush.gateway.assembly import STATE_FILE, assemble
from sagebrush.gateway.certificates import CertificateAuthority
from sagebrush.gateway.listener import Listener
from sagebrush.services.platform import Platform

_CHECKPOINT_INTERVAL_S = 2.0

_log = logging.getLogger(__name__)


def serve(
    settings: Settings, *, ready_fd: int | None = None, lifeline_fd: int | None = None
) -> int:
    """Serve until SIGINT or SIGTERM, or until the lifeline's other end closes; return 0.

    Raises:
        ConfigurationError: the data directory is in use, or the address cannot be bound.
    """
    os.umask(0o077)
    make_data_dir(settings.data_dir)
    with _exclusive(settings.data_dir):
        _install_event_loop()
        return asyncio.run(_serve(settings, ready_fd, lifeline_fd))


async def _serve(settings: Settings, ready_fd: int | None, lifeline_fd: int | None) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if lifeline_fd is not None:
        loop.add_reader(lifeline_fd, stopping.set)
    authority = CertificateAuthority(settings.data_dir / "tls")
    gateway = Gateway(authority, settings)
    listener = Listener(gateway, authority.server_context)
    try:
        port = listener.bind(settings.host, settings.port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            " (another server? choose another --port)"
        ) from None
    settings = dataclasses.replace(settings, port=port)
    clock = _clock(settings)
    platform = assemble(settings, clock)
    # Before the services start: steps wait for what they take up again, too.
    clock.watch(platform.tasks)
    await gateway.open(platform, listener)
    accepting = loop.create_task(listener.serve())
    checkpoints = loop.create_task(_checkpoint(platform))
    # What start-up made lives as long as the process: no collection need look at it again.
    gc.freeze()
    if settings.verify_signatures:
        _write_root_credentials(platform)
    _announce(settings, authority, ready_fd)
    await stopping.wait()
    if lifeline_fd is not None:
        loop.remove_reader(lifeline_fd)
    _log.info("stopping")
    accepting.cancel()
    checkpoints.cancel()
    platform.let_go()
    await listener.close()
    await gateway.close()
    (settings.data_dir / RUNNING_FILE).unlink(missing_ok=True)
    return 0


def _clock(settings: Settings) -> AdjustableClock:
    """Return the clock of the data directory, running as the user wants it to."""
    clock = AdjustableClock(settings.data_dir / CLOCK_FILE, durable=settings.durable)
    if settings.clock is not None:
        settings.clock.apply(clock, used=(settings.data_dir / STATE_FILE).exists())
    return clock


async def _checkpoint(platform: Platform) -> None:
    """Fold the write-ahead log back in the quiet moments, so that no commit has to."""
    seen = 0
    while True:
        await asyncio.sleep(_CHECKPOINT_INTERVAL_S)
        changes = platform.db.changes
        if changes != seen:
            seen = changes
            await asyncio.to_thread(platform.db.checkpoint)


def _announce(settings: Settings, authority: CertificateAuthority, ready_fd: int | None) -> None:
    description = {
        "pid": os.getpid(),
        "endpoint": settings.endpoint,
        "bundle": str(authority.bundle_path),
        "authority": str(authority.certificate_path),
    }
    running = settings.data_dir / RUNNING_FILE
    temporary = running.with_suffix(".part")
    temporary.write_text(json.dumps(description), "utf-8")
    temporary.replace(running)
    if ready_fd is not None:
        # Whoever asked may be gone already; its lifeline says so too.
        with contextlib.suppress(BrokenPipeError):
            os.write(ready_fd, json.dumps(description).encode() + b"\n")
        os.close(ready_fd)
    where = f" --data {settings.data_dir}"
    print(
        f"Sagebrush is ready at {settings.endpoint}  (data: {settings.data_dir})\n"
        f'Point a shell at it:  eval "$(sagebrush env{where})"\n'
        "Stop it with Ctrl-C.",
        file=sys.stderr,
        flush=True,
    )


def _write_root_credentials(platform: Platform) -> None:
    """Leave the account's root key where only its owner can read it: the way to the first user."""
    settings = platform.settings
    key = platform.identity.ensure_root_key(settings.account)
    path = settings.data_dir / ROOT_CREDENTIALS_FILE
    path.touch(mode=0o600)
    path.write_text(
        f"[default]\naws_access_key_id = {key.access_key}\naws_secret_access_key = {key.secret}\n",
        "utf-8",
    )
    print(f"Root credentials: AWS_SHARED_CREDENTIALS_FILE={path}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Hold the data directory: two servers would write over each other."""
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                f"another server runs on {folder}; stop it, or choose another --data"
            ) from None
        yield


def _install_event_loop() -> None:
    try:
        import uvloop
    except ImportError:
        return
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
