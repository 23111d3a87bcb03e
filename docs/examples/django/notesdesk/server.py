"""The packed program: prepares the database, then serves the project with waitress."""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import secrets
import signal
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from notesdesk.paths import data_directory

NAME = "notesdesk"


class StartError(Exception):
    """The server can't start; the message says why and what to do."""


def claim(directory: Path) -> int:
    """Makes the data directory and locks it, for as long as the returned descriptor is open.

    Two servers on one database would each believe to be alone, and the newer of two
    versions would migrate it under the older.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        raise StartError(
            f"process {holder} is using {directory}; stop it first, or set XDG_DATA_HOME"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def make_secret_key(directory: Path) -> None:
    path = directory / "secret-key"
    if not path.exists():
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(secrets.token_urlsafe(50), "ascii")
        new.rename(path)


def migrate() -> None:
    """Brings the database to the state that this version needs, never backwards."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection)
    unknown = sorted(set(loader.applied_migrations) - set(loader.disk_migrations))
    if unknown:
        app, name = unknown[-1]
        raise StartError(
            f"{connection.settings_dict['NAME']} was made by a newer version of {NAME}"
            f" (its migration {app}.{name} is unknown here); use that version"
        )
    call_command("migrate", interactive=False, verbosity=0)


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.EADDRINUSE:
            reason = (
                "the port is taken; is it running already? --port 0 takes a free one"
            )
        raise StartError(f"cannot listen on {host} port {port}: {reason}") from None


def serve(host: str, port: int) -> None:
    directory = data_directory()
    lock = claim(directory)
    make_secret_key(directory)

    # Only now: the settings read the key, and what follows reads the settings.
    os.environ["DJANGO_SETTINGS_MODULE"] = "notesdesk.settings"
    import django

    django.setup()
    migrate()

    from waitress.server import create_server

    from notesdesk.wsgi import application

    listener = listen(host, port)
    server = create_server(application, sockets=[listener], ident=None)
    shown = f"[{host}]" if ":" in host else host
    print(f"listening on http://{shown}:{listener.getsockname()[1]}", flush=True)
    server.run()  # until SystemExit; the requests under way are finished
    os.close(lock)


def stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


port_number.__name__ = "port"  # argparse names it in its message


def main() -> int:
    parser = argparse.ArgumentParser(prog=NAME, description="A small notes page.")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=8000,
        help="port to listen on, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--version", action="version", version=f"{NAME} {version(NAME)}"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        serve(arguments.host, arguments.port)
    except (StartError, OSError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
