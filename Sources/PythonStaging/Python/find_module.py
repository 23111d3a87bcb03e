"""Ends with 0 where the module that the argument names can be found; says why where not. Imports only the packages above it."""

import importlib.util
import sys

try:
    found = importlib.util.find_spec(sys.argv[1]) is not None
except ImportError as error:
    sys.exit(str(error))
sys.exit(0 if found else "No module named %r" % sys.argv[1])
