"""``python -m sagebrush.algorithms train|serve NAME``: an algorithm without the platform."""

import argparse
import sys
from pathlib import Path

from sagebrush.algorithms import algorithm_names


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "train":
        from sagebrush.algorithms.container import train_main

        return train_main(options.algorithm, options.root)
    from sagebrush.algorithms.serving import serve_main

    return serve_main(
        options.algorithm,
        options.root,
        socket_path=options.socket,
        port=options.port,
        models=options.models,
        memory_bytes=options.memory_bytes,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sagebrush.algorithms", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("train", "serve"):
        subparser = commands.add_parser(command)
        subparser.add_argument("algorithm", choices=algorithm_names())
        subparser.add_argument("--root", type=Path, default=Path("/opt/ml"))
        if command == "serve":
            place = subparser.add_mutually_exclusive_group()
            place.add_argument("--socket", help="unix socket to listen on")
            subparser.add_argument(
                "--models", type=Path, help="serve many models, which come to lie below this folder"
            )
            subparser.add_argument("--memory-bytes", type=int, help="how much memory there is")
            place.add_argument("--port", type=int, help="port on 127.0.0.1, 8080 by default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
