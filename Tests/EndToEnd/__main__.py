"""Runs the end-to-end tests: python3 Tests/EndToEnd [PATTERN...]

Each PATTERN names tests as `unittest -k` does. Binaries come from $ONEFOLD_DIST, else dist/.
Those of the examples need the network, once; what they packed is kept in $ONEFOLD_PACK_CACHE, else
.build/pack-cache.
"""

import signal
import sys
import unittest
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    # A shell ignores them for what it runs in the background, and all that is started here would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if sys.argv[1:]:
        loader.testNamePatterns = [
            name if "*" in name else f"*{name}*" for name in sys.argv[1:]
        ]
    result = unittest.TextTestRunner(verbosity=1, buffer=False).run(
        loader.discover(str(HERE), top_level_dir=str(HERE))
    )
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    # A class that can't be set up, or is skipped, stands for tests that were not run.
    others = [test for test, _ in [*result.failures, *result.errors, *result.skipped]]
    others += result.unexpectedSuccesses
    passed = result.testsRun - sum(isinstance(test, unittest.TestCase) for test in others)
    for reason, count in Counter(reason for _, reason in result.skipped).items():
        print(f"skipped {count}: {reason}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


main()
