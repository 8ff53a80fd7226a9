"""`sagebrush env`: the exports for a shell."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from sagebrush.cli.options import add_endpoint, running_endpoint
from sagebrush.cli.status import fetch
from sagebrush.launch import client_environment


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
    # The server knows where it keeps what to trust; --data may name nothing of the kind.
    data = Path(fetch(endpoint, "status")["data"])
    variables = client_environment(endpoint, str(data / "tls" / "bundle.pem"))
    if parsed.plain_http:
        kept = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION")
        variables = {name: variables[name] for name in kept} | {"AWS_ENDPOINT_URL": endpoint}
    if parsed.json:
        print(json.dumps(variables, indent=2))
    else:
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")
    return 0
