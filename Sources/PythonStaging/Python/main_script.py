"""Runs the script that the spec names in this module's place, from its byte code."""

import os
import sys
from importlib.machinery import SourceFileLoader, SourcelessFileLoader

_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), @SCRIPT@)
if os.path.exists(_path):
    _loader = SourceFileLoader(__name__, _path)
else:
    _loader = SourcelessFileLoader(__name__, _path + "c")
sys.argv[0] = os.environ.get("ONEFOLD_EXE", sys.argv[0])
__file__ = _path
__doc__ = None
exec(_loader.get_code(__name__))
