"""Runs the end-to-end tests: python3 Tests/EndToEnd [PATTERN...]

Each PATTERN names tests as `unittest -k` does. Binaries come from $ONEFOLD_DIST, else dist/. Tests of a class run one after
another, and several classes at once, by pytest and pytest-xdist, which come from PyPI (runner.txt). There is a worker for each
processor, and one more for every four, because a sixth of the time is waiting: for the network, for time limits under test, for
servers that start. Set ONEFOLD_TEST_JOBS to another number.
Those of the examples need the network, once; what they packed is kept in $ONEFOLD_PACK_CACHE, else .build/pack-cache.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "runner.txt"


def runner() -> Path:
    """The directory with pytest as runner.txt pins it, which is kept for the next run."""
    build = HERE.parent.parent / ".build"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    final = build / f"test-runner-{version}-{digest}"
    if final.is_dir():
        return final
    build.mkdir(exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".test-runner-", dir=build))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "--target", str(stage), "-r", str(LOCK)]
    try:
        subprocess.run(command, check=True)
        stage.rename(final)
    except OSError:
        # Another run was faster.
        if not final.is_dir():
            raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return final


def main() -> int:
    # A shell ignores them for what it runs in the background, and all that is started here would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    try:
        sys.path.insert(0, str(runner()))
    except subprocess.CalledProcessError:
        print("Tests/EndToEnd: pytest can't be fetched from PyPI", file=sys.stderr)
        return 1
    import pytest

    processors = len(os.sched_getaffinity(0))
    jobs = os.environ.get("ONEFOLD_TEST_JOBS") or str(processors + (processors + 3) // 4)
    options = ["-c", os.devnull, "--rootdir", str(HERE), "-p", "no:cacheprovider", "-q", "--tb=short"]
    # No plugins that this machine happens to have.
    options += ["--disable-plugin-autoload", "-p", "xdist.plugin"]
    options += ["-n", jobs, "--dist", "loadscope", "--no-loadscope-reorder", "--durations=15", "-rs"]
    options += [f"--name={pattern}" for pattern in sys.argv[1:]]
    return int(pytest.main([*options, str(HERE)]))


if __name__ == "__main__":
    sys.exit(main())
