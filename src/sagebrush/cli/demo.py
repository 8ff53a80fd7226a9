"""`sagebrush demo`: the main job on real data, with a report to look at."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from sagebrush.base.errors import ConfigurationError
from sagebrush.launch import PrivateServer

_EPILOG = """\
Breast cancer (XGBoost), diabetes (Linear Learner) and handwritten digits (K-Means), as they ship
with scikit-learn: uploaded to S3, trained, deployed, invoked with rows the models have not seen,
compared with their labels. Every step is an unmodified boto3 call to a private server.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--report",
        type=Path,
        default=Path("sagebrush-demo.html"),
        help="where to leave the report (%(default)s)",
    )
    parser.add_argument("--endpoint", help="use a running server instead of a private one")
    parser.add_argument("--open", action="store_true", help="open the report in a browser")


def command(parsed: argparse.Namespace) -> int:
    """Run the demo; 1 when a job failed or a model is no better than guessing."""
    try:
        from sagebrush.demo.journey import run
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the demo needs {error.name}: pip install 'sagebrush[demo]'"
        ) from None
    report = parsed.report.resolve()
    if parsed.endpoint:
        succeeded = run(parsed.endpoint, report)
    else:
        with PrivateServer() as server:
            succeeded = run(server.endpoint, report)
    print(f"\nThe report, in one file: {report}")
    if parsed.open:
        webbrowser.open(report.as_uri())
    return 0 if succeeded else 1
