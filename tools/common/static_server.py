"""A web server for files, as most releases are published: nginx. The tests of updates use it as well."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .basics import Failure, Unavailable
from .network import LOCAL, free_port, request

# One worker without a daemon: it ends with its master, and requests end in the order of the log.
SETTINGS = """\
daemon off;
worker_processes 1;
pid {place}/pid;
error_log {place}/errors;
{user}
events {{ worker_connections 64; }}
http {{
  log_format requests '$request_uri|$status|$http_range|$body_bytes_sent|$bytes_sent';
  access_log {place}/access requests;
  client_body_temp_path {place}/temporary; proxy_temp_path {place}/temporary;
  fastcgi_temp_path {place}/temporary; uwsgi_temp_path {place}/temporary; scgi_temp_path {place}/temporary;
  default_type application/octet-stream;
  types {{ text/html html; }}
  gzip_types *;
  sendfile on;
  server {{
    listen 127.0.0.1:{port};
    root "{root}";
    location = /counted {{ access_log off; return 204; }}
    {directives}
  }}
}}
"""
SECONDS_TO_START = 60


class StaticServer:
    """Serves the files of a directory until `end`.

    Parameters:
      root: the directory; what nginx itself writes is beside it.
      directives: what the configuration says of the server beyond that.
    """

    def __init__(self, root: Path, directives: str = "") -> None:
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        if program is None:
            raise Unavailable("the program nginx is not installed")
        root.mkdir(parents=True, exist_ok=True)
        place = root.with_name(f"{root.name}-nginx")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        self.files, self.log, self.port = root, place / "access", free_port()
        settings = place / "nginx.conf"
        values = {"place": place, "root": root, "port": self.port, "directives": directives}
        user = "user root;" if os.geteuid() == 0 else ""
        settings.write_text(SETTINGS.format(user=user, **values))
        command = [program, "-c", os.fspath(settings), "-e", os.fspath(place / "errors")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={})
        self.wait(place / "errors")

    def wait(self, errors: Path) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex((LOCAL, self.port)) == 0:
                    return
            time.sleep(0.01)
        self.end()
        raise Failure(f"nginx does not listen: {errors.read_text() if errors.exists() else ''}")

    def __enter__(self) -> StaticServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()

    @property
    def url(self) -> str:
        """Of the directory, without a slash at the end."""
        return f"http://{LOCAL}:{self.port}"

    def logged(self) -> list[list[str]]:
        """For each request: path, status, range, bytes of the body, and bytes with the head."""
        # This request is answered after all that came before it were logged.
        request(self.port, "/counted")
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split("|") for line in lines]

    def bytes_sent(self) -> int:
        """All bytes of answers so far, with their heads."""
        return sum(int(fields[-1]) for fields in self.logged())
