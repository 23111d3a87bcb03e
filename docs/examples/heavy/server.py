#!/usr/bin/env python3
"""An analysis engine of a gigabyte of libraries, each imported by the first request that needs it.

The health request needs none of them, so the shell that starts the server sees it within
a second. `GET /api/engines` says which are there: the small variant has pandas alone.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import importlib.util
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException

NAME = "heavy"
VERSION = os.environ.get("ONEFOLD_APP_VERSION", "0.0.0+source")
STOP_SECONDS = 5  # for the requests under way when the server is told to stop


# The engines. Each computes something small, with a known result, by the heavy part of
# its library; each imports that only when it is called.

ENGINES: dict[str, Callable[[], Any]] = {}


def engine(function: Callable[[], Any]) -> Callable[[], Any]:
    """Registers a function under its name, which is that of the module it needs."""
    ENGINES[function.__name__] = function
    return function


@engine
def scipy() -> Any:
    from scipy.linalg import solve

    return solve([[3.0, 1.0], [1.0, 2.0]], [9.0, 8.0]).round(6).tolist()


@engine
def sklearn() -> Any:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    return model.predict([[10.0]]).round(6).tolist()


@engine
def pandas() -> Any:
    from pandas import DataFrame

    frame = DataFrame({"key": ["a", "b", "a"], "value": [1, 2, 3]})
    return frame.groupby("key")["value"].sum().to_dict()


@engine
def pyarrow() -> Any:
    from io import BytesIO

    from pyarrow import parquet, table

    buffer = BytesIO()
    parquet.write_table(table({"value": [1, 2, 3]}), buffer, compression="zstd")
    return parquet.read_table(buffer).column("value").to_pylist()


@engine
def polars() -> Any:
    from polars import DataFrame, col

    return (
        DataFrame({"value": [1, 2, 3]})
        .select(col("value").cum_sum())["value"]
        .to_list()
    )


@engine
def duckdb() -> Any:
    from duckdb import connect

    with connect(":memory:") as connection:
        return connection.execute("SELECT sum(i * i) FROM range(4) t(i)").fetchone()[0]


@engine
def onnxruntime() -> Any:
    from numpy import float32, full
    from onnxruntime import InferenceSession
    from onnxruntime.datasets import get_example

    # A model that lies in the package as data.
    session = InferenceSession(
        get_example("sigmoid.onnx"), providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, {"x": full((3, 4, 5), 0, float32)})
    return result[0, 0].tolist()


@engine
def cv2() -> Any:
    from cv2 import COLOR_RGB2GRAY, cvtColor
    from numpy import full, uint8

    return cvtColor(full((1, 2, 3), 100, uint8), COLOR_RGB2GRAY).tolist()


@engine
def numba() -> Any:
    from numba import njit

    # Compiles machine code while it runs. It is not kept: that would be in the unpacked tree.
    return njit(lambda a, b: a * b)(6, 7)


@engine
def jax() -> Any:
    from jax import grad, jit

    return float(jit(grad(lambda x: x * x))(3.0))


# The API


def peak_memory() -> int:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def is_there(name: str) -> bool:
    """Looks for the module without importing it."""
    return importlib.util.find_spec(name) is not None


def create_app() -> FastAPI:
    # The documentation pages load their scripts from a CDN.
    app = FastAPI(title=NAME, version=VERSION, docs_url=None, redoc_url=None)

    @app.get("/api/health")
    def health() -> dict[str, Any]:
        return {
            "status": "ok",
            "version": VERSION,
            "pid": os.getpid(),
            "loaded": [name for name in ENGINES if name in sys.modules],
            "peak_memory": peak_memory(),
        }

    @app.get("/api/engines")
    def engines() -> list[str]:
        return [name for name in ENGINES if is_there(name)]

    @app.post("/api/engines/{name}")
    def run(name: str) -> dict[str, Any]:
        """Runs one engine; the first time includes its import."""
        if name not in ENGINES or not is_there(name):
            raise HTTPException(404, "no such engine")
        started = time.monotonic()
        library = importlib.import_module(name)
        imported = time.monotonic()
        result = ENGINES[name]()
        return {
            "engine": name,
            "version": library.__version__,
            "result": result,
            "import_seconds": round(imported - started, 3),
            "run_seconds": round(time.monotonic() - imported, 3),
            "peak_memory": peak_memory(),
        }

    return app


# Running it


def fail(message: object, status: int) -> int:
    print(f"{NAME}: {message}", file=sys.stderr)
    return status


def reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken; is it running already? --port 0 takes a free one"
    return error.strerror or str(error)


def serve(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Before uvicorn starts, so that this is the last line that the shell sees.
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        return fail(f"cannot listen on {host} port {port}: {reason(error)}", 3)

    config = uvicorn.Config(
        create_app(),
        log_level="info",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = Server(config)
    # uvicorn raises the signals again after it has stopped; a stop that was asked for
    # is to exit with 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
    return 0 if server.started else 1


class Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            print(f"listening on http://{host}:{port}", flush=True)


def check() -> int:
    """Runs every engine that is there, for the smoke test."""
    failed = 0
    for name in filter(is_there, ENGINES):
        try:
            print(f"{name}: {ENGINES[name]()}", flush=True)
        except Exception as error:
            failed = fail(f"{name}: {type(error).__name__}: {error}", 1)
    return failed


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


port_number.__name__ = "port"  # argparse names it in its message


def main() -> int:
    parser = argparse.ArgumentParser(prog=NAME, description="An analysis engine.")
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
        "--check", action="store_true", help="run every engine once and exit"
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    arguments = parser.parse_args()
    return check() if arguments.check else serve(arguments.host, arguments.port)


if __name__ == "__main__":
    sys.exit(main())
