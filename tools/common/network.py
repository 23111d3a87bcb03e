"""Ports of this machine, and requests to servers on it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import Any, Mapping, NamedTuple

LOCAL = "127.0.0.1"


def free_port() -> int:
    """A port of this machine that nothing listens at now."""
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


class Answer(NamedTuple):
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    port: int,
    path: str,
    method: str = "GET",
    body: Any = None,
    headers: Mapping[str, str] = {},
    seconds: float = 60,
) -> Answer:
    """The answer of a server on this machine, whatever its status.

    Raises:
      OSError: if nothing listens, or nothing comes within that many seconds.
    """
    connection = http.client.HTTPConnection(LOCAL, port, timeout=seconds)
    with contextlib.closing(connection):
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
