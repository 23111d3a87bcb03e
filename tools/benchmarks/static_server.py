"""A web server for files, as most releases are published: nginx."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from pathlib import Path

from .running import Failure, free_port, output_of

# One worker without a daemon: it ends with its master, and requests end in the order of the log.
SETTINGS = """\
daemon off;
worker_processes 1;
pid {room}/nginx.pid;
error_log stderr warn;
user {user};
events {{}}
http {{
  log_format bytes '$bytes_sent $uri';
  access_log {room}/nginx.log bytes;
  client_body_temp_path {room}/nginx-body;
  proxy_temp_path {room}/nginx-proxy;
  fastcgi_temp_path {room}/nginx-fastcgi;
  uwsgi_temp_path {room}/nginx-uwsgi;
  scgi_temp_path {room}/nginx-scgi;
  sendfile on;
  server {{ listen 127.0.0.1:{port}; root {room}; }}
}}
"""
SECONDS_TO_START = 10
QUESTION = "nginx.pid"


class StaticServer:
    """Serves the files of a directory while the context lasts."""

    def __init__(self, room: Path) -> None:
        self.room = room
        self.port = free_port()

    def __enter__(self) -> StaticServer:
        settings = self.room / "nginx.conf"
        user = output_of(["id", "-un"]).strip()
        settings.write_text(SETTINGS.format(room=self.room, port=self.port, user=user))
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
        command = ["nginx", "-p", os.fspath(self.room), "-c", os.fspath(settings)]
        self.process = subprocess.Popen(command, env={"PATH": path})
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end:
            try:
                self.bytes_sent()
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
        self.__exit__()
        raise Failure("nginx does not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def url(self, file: Path) -> str:
        return f"http://127.0.0.1:{self.port}/{file.name}"

    def bytes_sent(self) -> int:
        """All bytes of answers to others so far, with their headers."""
        # This request is answered, and logged, after all that came before it.
        question = f"http://127.0.0.1:{self.port}/{QUESTION}"
        urllib.request.urlopen(question).read()
        lines = (self.room / "nginx.log").read_text().splitlines()
        return sum(int(line.split()[0]) for line in lines if QUESTION not in line)
