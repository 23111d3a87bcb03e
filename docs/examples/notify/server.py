#!/usr/bin/env python3
"""A server for systemd and for containers, of the standard library alone.

It tells its service manager when it is ready and when it stops, takes a socket that the
manager has opened for it, finishes the requests under way on SIGTERM, and can be PID 1.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

NAME = "notify"
VERSION = os.environ.get("ONEFOLD_APP_VERSION", "0.0.0+source")
STOP_SECONDS = 10  # for the requests under way when the server is told to stop
FIRST_PASSED_DESCRIPTOR = 3  # SD_LISTEN_FDS_START


# The service manager


def notify(state: str) -> bool:
    """Sends a state to the service manager, as sd_notify(3) does; false where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
    ) as connection:
        connection.sendto(state.encode(), address)
    return True


def passed_socket() -> socket.socket | None:
    """The listening socket that the service manager passes, as sd_listen_fds(3) finds it.

    LISTEN_PID names the process the socket is for. It is this one, because the packed file
    becomes the server by execve.
    """
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or count != "1":
        return None
    os.set_inheritable(FIRST_PASSED_DESCRIPTOR, False)
    return socket.socket(fileno=FIRST_PASSED_DESCRIPTOR)


# The server


class Handler(BaseHTTPRequestHandler):
    timeout = 5  # seconds that a client may be silent

    def do_GET(self) -> None:
        if self.path == "/api/health":
            self.answer({"status": "ok", "version": VERSION, "pid": os.getpid()})
        elif self.path == "/api/slow":
            time.sleep(2)
            self.answer({"status": "done"})
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        print(format % values, file=sys.stderr)


class Server(ThreadingMixIn, HTTPServer):
    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.requests: list[threading.Thread] = []

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.requests = [thread for thread in self.requests if thread.is_alive()]
        # A daemon, so that one that outlasts STOP_SECONDS does not keep the process.
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            daemon=True,
        )
        self.requests.append(thread)
        thread.start()

    def finish(self) -> None:
        """Waits for the requests under way, for STOP_SECONDS at most."""
        until = time.monotonic() + STOP_SECONDS
        for thread in self.requests:
            thread.join(max(0, until - time.monotonic()))


def fail(message: object, status: int) -> int:
    print(f"{NAME}: {message}", file=sys.stderr)
    return status


def reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken; is it running already? --port 0 takes a free one"
    return error.strerror or str(error)


def serve(host: str, port: int) -> int:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = passed_socket() or socket.create_server((host, port), family=family)
    except OSError as error:
        return fail(f"cannot listen on {host} port {port}: {reason(error)}", 3)
    server = Server(listener)

    def stop(number: int, frame: object) -> None:
        # It waits for the loop to end, so it may not run in the loop's own thread.
        threading.Thread(target=server.shutdown).start()

    # As PID 1 the process would not get these without a handler of its own.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    print(f"listening on http://{host}:{port}", flush=True)
    notify(f"READY=1\nSTATUS=listening on {host} port {port}\n")
    server.serve_forever(poll_interval=0.1)
    notify("STOPPING=1\nSTATUS=finishing the requests under way\n")
    server.finish()
    return 0


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


port_number.__name__ = "port"  # argparse names it in its message


def main() -> int:
    parser = argparse.ArgumentParser(prog=NAME, description="A server for systemd.")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=8000,
        help="port to listen on, 0 for a free one (default: %(default)s);"
        " a socket from the service manager comes first",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    arguments = parser.parse_args()
    return serve(arguments.host, arguments.port)


if __name__ == "__main__":
    sys.exit(main())
