"""Imports modules one after another and prints "NAME" before and "ok" or "failed REASON" after each.

usage: imports.py SECONDS MODULE...

An import that takes longer than SECONDS ends the process with the status 1 and shows where it was.
"""

import faulthandler
import importlib
import io
import os
import sys
import traceback

out = sys.stdout
seconds = int(sys.argv[1])
for name in sys.argv[2:]:
    out.write(name + "\n")
    out.flush()
    # What a module prints when it is imported must not mix with the report.
    sys.stdout = io.StringIO()
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        importlib.import_module(name)
        verdict = "ok"
    except BaseException as error:
        lines = traceback.format_exception_only(type(error), error)
        verdict = "failed " + " ".join("".join(lines).split())
    finally:
        faulthandler.cancel_dump_traceback_later()
        sys.stdout = out
    out.write(verdict + "\n")
    out.flush()
# Threads and exit handlers of what was imported are not tested here.
os._exit(0)
