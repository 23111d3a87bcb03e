"""Calls the function that the spec names, as a console script does."""

import os
import sys

sys.argv[0] = os.environ.get("ONEFOLD_EXE", sys.argv[0])

from @MODULE@ import @FIRST@ as _function  # noqa: E402

if __name__ == "__main__":
    sys.exit(_function@REST@())
