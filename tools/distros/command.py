"""The command line of tools/in-root."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from common.basics import end_with

from .roots import MUSL, SUITES, Bind, environment, root


def bind_of(text: str) -> Bind:
    source, _, target = text.partition(":")
    path = Path(source).absolute()
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {source}")
    return Bind(path, target or path)


def variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text}")
    return name, value


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/in-root",
        description="Runs a command in a root directory of another distribution.",
        epilog=f"SUITE is {', '.join(SUITES)}, another suite of Debian's archive, or {MUSL}.",
    )
    parser.add_argument(
        "--with",
        metavar="PACKAGES",
        dest="packages",
        action="append",
        default=[],
        help="install these Debian packages, separated by commas, in the root. May be repeated",
    )
    parser.add_argument("--arch", metavar="NAME", help="Debian's name of another architecture")
    parser.add_argument("--user", action="store_true", help="run as an ordinary user, not as root")
    parser.add_argument(
        "--bind",
        metavar="SOURCE[:TARGET]",
        type=bind_of,
        action="append",
        default=[],
        help="show a file or directory of this machine, read-only. May be repeated",
    )
    parser.add_argument(
        "--bind-writable",
        metavar="SOURCE[:TARGET]",
        type=bind_of,
        action="append",
        default=[],
        help="the same, writable",
    )
    parser.add_argument("--directory", metavar="DIR", help="the working directory, in the root")
    parser.add_argument(
        "--env",
        metavar="NAME=VALUE",
        type=variable,
        action="append",
        default=[],
        help="set an environment variable. May be repeated",
    )
    parser.add_argument(
        "--changes",
        metavar="DIR",
        type=Path,
        help="keep what the command writes in DIR, for the next command (default: in memory)",
    )
    parser.add_argument(
        "--host-devices", action="store_true", help="show this machine's /dev and /sys"
    )
    parser.add_argument("suite", metavar="SUITE")
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.command and options.command[0].startswith("-"):
        parser.error(f"{options.command[0]}: options come before SUITE")
    return options


def main() -> int:
    options = parse_options()
    packages = [name for text in options.packages for name in text.split(",") if name]
    binds = [*options.bind, *(bind._replace(writable=True) for bind in options.bind_writable)]
    command = root(options.suite, packages, options.arch).command(
        options.command or ["/bin/sh"],
        user=options.user,
        changes=options.changes and options.changes.absolute(),
        binds=binds,
        directory=options.directory,
        host_devices=options.host_devices,
    )
    variables = environment(options.user, dict(options.env))
    with subprocess.Popen(command, env=variables) as process:
        return process.wait()


def run_in_root() -> None:
    end_with(main, lambda message: print(f"in-root: {message}", file=sys.stderr))
