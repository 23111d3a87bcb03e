"""Packs docs/examples/fastapi-server, launches the file cold and warm, and prints what a person wants to know.

usage: tools/demo.py ONEFOLD     (tools/demo calls it with the packer that it built)
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLE = REPOSITORY / "docs" / "examples" / "fastapi-server"
ONEFOLD = sys.argv[1]
ONEFILE = REPOSITORY / "dist" / "fastapi-server"

#: Those that the example's requirements are locked for.
PYTHONS = [(3, minor) for minor in range(10, 15)]

STARTING_SECONDS = 60


def choose_python():
    """The version that the example asks for if this machine has it, else that of its python3."""
    named = [(3, 11), sys.version_info[:2]]
    for major, minor in named:
        if (major, minor) in PYTHONS and shutil.which(f"python{major}.{minor}"):
            return f"{major}.{minor}"
    sys.exit(
        "tools/demo: the example needs Python 3.10 to 3.14, and python3 is"
        f" {named[1][0]}.{named[1][1]}: install another one, such as python3.11"
    )


def pack(work):
    """Packs the example with a Python that this machine has; returns the seconds that it took."""
    example = work / "fastapi-server"
    shutil.copytree(EXAMPLE, example)
    spec = example / "onefold.toml"
    version = choose_python()
    spec.write_text(spec.read_text().replace('version = "3.11"', f'version = "{version}"'))
    print(f"packing {EXAMPLE.relative_to(REPOSITORY)} with Python {version}", flush=True)
    start = time.monotonic()
    packing = subprocess.run([ONEFOLD, "pack", "--spec", spec, "-o", ONEFILE], stdout=sys.stdout)
    if packing.returncode != 0:
        sys.exit(packing.returncode)
    return time.monotonic() - start


def launch(environment):
    """Starts the server on a free port; returns the process, its health and the seconds until then."""
    start = time.monotonic()
    server = subprocess.Popen([ONEFILE, "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True)
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


def main():
    with tempfile.TemporaryDirectory(prefix="onefold-demo-") as directory:
        packing = pack(Path(directory))
        environment = dict(os.environ, ONEFOLD_CACHE=f"{directory}/cache", XDG_DATA_HOME=f"{directory}/data")
        times = {}
        for name in "cold", "warm":
            server, health, times[name] = launch(environment)
            print(f"{name} launch: pid {server.pid}, /api/health says {json.dumps(health)}")
            same = "is" if health["pid"] == server.pid else "IS NOT"
            print(f"  the server {same} the process that was started")
            stop(server)
    unpacked = json.loads(subprocess.check_output([ONEFOLD, "inspect", "--json", ONEFILE]))["bytes"]
    print()
    for name, size in {"the unpacked server": unpacked, "the one file": ONEFILE.stat().st_size}.items():
        print(f"{name:20} {size / 1e6:8.1f} MB")
    print(f"{'packing':20} {packing:8.1f} s, with its smoke tests")
    for name, seconds in times.items():
        print(f"{name + ' launch':20} {seconds * 1000:8.0f} ms until the health page answered")
    onefile = os.path.relpath(ONEFILE)
    print(f"\nTry it: {onefile} --port 8000   or   ONEFOLD=help {onefile}")


main()
