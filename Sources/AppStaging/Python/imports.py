"""Imports modules one after another and prints "NAME" before and "ok" or "failed REASON" after each.

usage: imports.py SECONDS MODULE...

An import that takes longer than SECONDS ends the process with the status 1, and the last lines are "Timeout" and where it was.
"""

import faulthandler
import importlib
import os
import sys
import traceback

# What a module prints when it is imported, or what it starts, must not mix with the report.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
seconds = int(sys.argv[1])
for name in sys.argv[2:]:
    out.write(name + "\n")
    out.flush()
    # It is a thread of its own in C, which also ends what never gives the interpreter's lock back.
    faulthandler.dump_traceback_later(seconds, exit=True, file=out)
    try:
        importlib.import_module(name)
        verdict = "ok"
    except BaseException as error:
        lines = traceback.format_exception_only(type(error), error)
        verdict = "failed " + " ".join("".join(lines).split())
    finally:
        faulthandler.cancel_dump_traceback_later()
    out.write(verdict + "\n")
    out.flush()
# Threads and exit handlers of what was imported are not tested here.
os._exit(0)
