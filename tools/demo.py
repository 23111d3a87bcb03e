"""Launches a onefile of the example server cold and warm, and prints what a person wants to know.

usage: tools/demo.py ONEFILE TREE     (tools/demo calls it)
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

STARTING_SECONDS = 60


def launch(onefile, environment):
    """Starts the server on a free port; returns the process, its health and the seconds until then."""
    start = time.monotonic()
    server = subprocess.Popen(
        [onefile, "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    )
    for line in server.stdout:
        if line.startswith("listening on "):
            url = line.split()[-1]
            break
    else:
        sys.exit(f"tools/demo: the server ended with status {server.wait()} before it was ready")
    with urllib.request.urlopen(f"{url}/api/health", timeout=STARTING_SECONDS) as answer:
        health = json.load(answer)
    return server, health, time.monotonic() - start


def stop(server):
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(STARTING_SECONDS)
    finally:
        server.kill()


def tree_bytes(tree):
    return sum(path.lstat().st_size for path in Path(tree).rglob("*") if path.is_file())


def main():
    onefile, tree = (os.path.abspath(path) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="onefold-demo-") as directory:
        environment = dict(
            os.environ, ONEFOLD_CACHE=f"{directory}/cache", XDG_DATA_HOME=f"{directory}/data"
        )
        times = {}
        for name in "cold", "warm":
            server, health, times[name] = launch(onefile, environment)
            print(f"{name} launch: pid {server.pid}, /api/health says {json.dumps(health)}")
            same = "is" if health["pid"] == server.pid else "IS NOT"
            print(f"  the server {same} the process that was started")
            stop(server)
    sizes = {
        "the server's tree": tree_bytes(tree),
        "the one file": os.path.getsize(onefile),
    }
    print()
    for name, size in sizes.items():
        print(f"{name:20} {size / 1e6:8.1f} MB")
    for name, seconds in times.items():
        print(f"{name + ' launch':20} {seconds * 1000:8.0f} ms until the health page answered")
    print(f"\nTry it: {os.path.relpath(onefile)} --port 8000   or   ONEFOLD=help {os.path.relpath(onefile)}")


main()
