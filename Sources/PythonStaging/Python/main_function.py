"""Calls the function that the spec names, as a console script does."""

import os
import sys

sys.argv[0] = os.environ.get("ONEFOLD_EXE", sys.argv[0])

from @MODULE@ import @FIRST@ as _first  # noqa: E402

_function = _first@REST@

if __name__ == "__main__":
    sys.exit(_function())
