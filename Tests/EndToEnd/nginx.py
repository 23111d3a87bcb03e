"""nginx of this machine as a process of a test, with its own configuration."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import unittest
from pathlib import Path
from typing import NamedTuple

from examples import free_port
from support import IS_ROOT, start, wait_until

SETTINGS = """\
daemon off;
pid {place}/pid;
error_log {place}/errors;
{user}
events {{ worker_connections 64; }}
http {{
  log_format requests '$request_uri|$status|$http_range|$body_bytes_sent';
  access_log {place}/access requests;
  client_body_temp_path {place}/temporary; proxy_temp_path {place}/temporary; fastcgi_temp_path {place}/temporary;
  uwsgi_temp_path {place}/temporary; scgi_temp_path {place}/temporary;
  default_type application/octet-stream;
  types {{ text/html html; }}
  gzip_types *;
  server {{ listen 127.0.0.1:{port}; root "{root}"; {directives} }}
}}
"""


class Request(NamedTuple):
    path: str
    status: int
    range: str
    #: Of the body.
    sent: int


class Nginx:
    """Serves the files of a directory.

    Parameters:
      root: the directory; what nginx writes itself is beside it.
      directives: what the configuration says of the server beyond that.
    """

    def __init__(self, root: Path, directives: str = "") -> None:
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None:
            raise unittest.SkipTest("needs the program nginx")
        root.mkdir(parents=True, exist_ok=True)
        place = root.parent / "nginx"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        self.files, self.log, port = root, place / "access", free_port()
        self.url = f"http://127.0.0.1:{port}"
        user = "user root;" if IS_ROOT else ""
        settings = place / "nginx.conf"
        values = {"place": place, "user": user, "port": port, "root": root, "directives": directives}
        settings.write_text(SETTINGS.format(**values))
        command = [program, "-c", settings, "-e", place / "errors"]
        self.process = start(command, stdin=subprocess.DEVNULL)
        #: The requests that `next_requests` has returned.
        self.seen = 0
        wait_until(lambda: self.answers(port), "nginx listens")

    def answers(self, port: int) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"nginx ended: {self.process.communicate()}")
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    def requests(self, count: int) -> list[Request]:
        """All so far, and at least so many: nginx logs a request after it has answered."""
        wait_until(lambda: len(self.logged()) >= count, f"nginx logs {count} requests")
        return self.logged()

    def next_requests(self, count: int) -> list[Request]:
        """Those since the last call, of which there must be so many."""
        found = self.requests(self.seen + count)[self.seen :]
        self.seen += len(found)
        if len(found) != count:
            raise AssertionError(f"{len(found)} requests, not {count}: {found}")
        return found

    def logged(self) -> list[Request]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        fields = [line.split("|") for line in lines]
        return [Request(path, int(status), asked, int(sent)) for path, status, asked, sent in fields]

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate()
