"""`sagebrush env`: the exports for a shell."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path

from sagebrush.base.settings import ROOT_CREDENTIALS_FILE
from sagebrush.cli.controls import control
from sagebrush.cli.options import add_endpoint, running_endpoint
from sagebrush.launch import client_environment, misleading

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_endpoint(parser)
    parser.epilog = 'Use it as: eval "$(sagebrush env)"'
    parser.add_argument("--json", action="store_true", help="print a JSON object instead")
    parser.add_argument(
        "--plain-http",
        action="store_true",
        help="set AWS_ENDPOINT_URL alone: enough for boto3 and the AWS CLI, not for the SageMaker"
        " SDKs, which reach STS at a fixed https address",
    )


def command(parsed: argparse.Namespace) -> int:
    """Print the variables.

    Raises:
        ConfigurationError: no server answers.
    """
    endpoint = running_endpoint(parsed)
    status = control(endpoint, "status")
    # The server knows where it keeps what to trust; --data may name nothing of the kind.
    data = Path(status["data"])
    variables = client_environment(endpoint, str(data / "tls" / "bundle.pem"))
    if parsed.plain_http:
        kept = (*_CREDENTIALS, "AWS_REGION", "AWS_DEFAULT_REGION")
        variables = {name: variables[name] for name in kept} | {"AWS_ENDPOINT_URL": endpoint}
    unwanted = misleading(os.environ)
    if status["verify_signatures"]:
        unwanted = _with_real_credentials(variables, data)
    if parsed.json:
        print(json.dumps(variables, indent=2))
        return 0
    for name in unwanted:
        print(f"unset {name}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _with_real_credentials(variables: dict[str, str], data: Path) -> list[str]:
    """Leave the shell's own keys, else name the root's; return what to unset for that."""
    placeholder = {name: variables.pop(name) for name in _CREDENTIALS}["AWS_ACCESS_KEY_ID"]
    if os.environ.get("AWS_ACCESS_KEY_ID", placeholder) != placeholder:
        return misleading(os.environ, credentials=False)
    variables["AWS_SHARED_CREDENTIALS_FILE"] = str(data / ROOT_CREDENTIALS_FILE)
    return misleading(os.environ) + [name for name in _CREDENTIALS if name in os.environ]
