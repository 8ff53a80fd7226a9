"""A private server for one program or test session, and the variables that lead clients to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from sagebrush.base.errors import SagebrushError
from sagebrush.base.settings import DEFAULT_REGION, make_data_dir

_ACCOUNT_ID = re.compile(r"\d{12}")
# What a reset keeps: clients trust the authority already, and the log tells what went before.
_KEPT = frozenset({"tls", "server.log"})
_LOCAL_HOSTS = "localhost,127.0.0.1,::1"
# What would send a program elsewhere, or sign it in somewhere real.
_ELSEWHERE = re.compile(r"AWS_ENDPOINT_URL.*")
_SIGNED_IN = re.compile(
    r"AWS_PROFILE|AWS_DEFAULT_PROFILE|AWS_SESSION_TOKEN|AWS_ROLE_ARN|AWS_WEB_IDENTITY_TOKEN_FILE"
    r"|AWS_CONTAINER_CREDENTIALS_.*"
)


class LaunchError(SagebrushError):
    """The private server did not start; the message carries what it printed."""


def misleading(names: Iterable[str], *, credentials: bool = True) -> list[str]:
    """Return which variables would send a program elsewhere or, by default, sign it in for real."""
    patterns = (_ELSEWHERE, _SIGNED_IN) if credentials else (_ELSEWHERE,)
    return sorted(name for name in names if any(one.fullmatch(name) for one in patterns))


def client_environment(
    endpoint: str, bundle: str, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables that make AWS clients reach `endpoint` through its forward proxy.

    `bundle` is the PEM file that clients must trust. Credentials are placeholders unless
    `inherited` has an access key that is a 12-digit account id, which selects that account.
    """
    given = os.environ if inherited is None else inherited
    region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    key = given.get("AWS_ACCESS_KEY_ID", "")
    return {
        "SAGEBRUSH_ENDPOINT_URL": endpoint,
        "HTTPS_PROXY": endpoint,
        "https_proxy": endpoint,
        "NO_PROXY": _LOCAL_HOSTS,
        "no_proxy": _LOCAL_HOSTS,
        "AWS_CA_BUNDLE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        # Presigned URLs are fetched by programs that know nothing of AWS.
        "SSL_CERT_FILE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "AWS_ACCESS_KEY_ID": key if _ACCOUNT_ID.fullmatch(key) else "sagebrush",
        "AWS_SECRET_ACCESS_KEY": "sagebrush",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class PrivateServer:
    """A server on a free port; a context manager that stops it and, by default, its data.

    `command` is what runs as `sagebrush`.
    """

    def __init__(
        self,
        data: Path | None = None,
        options: tuple[str, ...] = (),
        command: tuple[str, ...] = (sys.executable, "-m", "sagebrush"),
    ) -> None:
        self._temporary = tempfile.mkdtemp(prefix="sagebrush-") if data is None else None
        self.data = data or Path(self._temporary or "")
        self._options = options
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        # The server ends when this closes, so that it never outlives the program it was made for.
        self._lifeline: int | None = None
        self.endpoint = ""
        self.bundle = ""

    def __enter__(self) -> PrivateServer:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until the server answers.

        Raises:
            ConfigurationError: the data directory cannot be made.
            LaunchError: it ended instead.
        """
        make_data_dir(self.data)
        log = self.data / "server.log"
        ephemeral = ("--ephemeral",) if self._temporary else ()
        self._cut_lifeline()
        reading, writing = os.pipe()
        held, self._lifeline = os.pipe()
        with log.open("ab") as output:
            before = output.tell()
            self._process = subprocess.Popen(
                [
                    *(*self._command, "up", "--port", str(self._port)),
                    *("--data", str(self.data), "--ready-fd", str(writing)),
                    *("--lifeline-fd", str(held)),
                    *ephemeral,
                    *self._options,
                ],
                pass_fds=(writing, held),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C is for the program; the server stops after it.
                start_new_session=True,
            )
        os.close(writing)
        os.close(held)
        with os.fdopen(reading, "rb") as pipe:
            line = pipe.readline()
        if not line:
            self._process.wait()
            told = log.read_bytes()[before:].decode("utf-8", "replace")
            raise LaunchError(f"the server did not start:\n{told}")
        description = json.loads(line)
        self.endpoint = description["endpoint"]
        self.bundle = description["bundle"]
        self._port = int(self.endpoint.rpartition(":")[2])

    def environment(self, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a whole environment for a program that shall use this server."""
        given = dict(os.environ if inherited is None else inherited)
        for name in misleading(given):
            del given[name]
        return given | client_environment(self.endpoint, self.bundle, given)

    def reset(self) -> None:
        """Start again with nothing stored, at the same address and with the same authority."""
        self._terminate()
        for entry in self.data.iterdir():
            if entry.name in _KEPT:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.start()

    def stop(self) -> None:
        """Stop the server and remove its data if they were temporary."""
        self._terminate()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._cut_lifeline()

    def _cut_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
