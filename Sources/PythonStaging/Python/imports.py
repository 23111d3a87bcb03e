"""Imports modules one after another and prints "NAME" before and "ok" or "failed REASON" after each. Where the reason is that there
is no module MISSING, which is not one that Python or its installers have, it prints "lacks MISSING REASON".

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


def lacks(error):
    """The name at the top of the module that is missing, or nothing."""
    top = (getattr(error, "name", None) or "").partition(".")[0]
    # Before Python 3.10 nobody knows what is Python's own, which may have been pruned.
    own = getattr(sys, "stdlib_module_names", (top,))
    if not isinstance(error, ModuleNotFoundError) or top in own or top in INSTALLERS:
        return ""
    return top


INSTALLERS = ("pip", "pkg_resources", "setuptools", "wheel", "distutils", "_distutils_hack")
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
        verdict = "failed "
        if lacks(error):
            verdict = "lacks %s " % lacks(error)
        verdict += " ".join("".join(lines).split())
    finally:
        faulthandler.cancel_dump_traceback_later()
    out.write(verdict + "\n")
    out.flush()
# Threads and exit handlers of what was imported are not tested here.
os._exit(0)
