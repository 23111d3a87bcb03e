"""Prints what staging must know of the interpreter that runs this, a line "name value" each."""

import os
import sys
import sysconfig
import importlib.util

config = sysconfig.get_config_var


def line(name, value):
    sys.stdout.buffer.write(os.fsencode("%s %s\n" % (name, value or "")))


# A virtual environment is only a pointer to the interpreter that it was made with.
executable = getattr(sys, "_base_executable", None) or sys.executable
stdlib = os.path.dirname(os.path.realpath(os.__file__))
library = ""
if config("Py_ENABLE_SHARED"):
    for place in (
        os.path.join(sys.base_prefix, "lib"),
        config("LIBDIR"),
        os.path.join(config("LIBDIR") or "", config("MULTIARCH") or ""),
    ):
        path = os.path.join(place or "", config("INSTSONAME") or "")
        if not library and os.path.isfile(path):
            library = os.path.realpath(path)

line("implementation", sys.implementation.name)
line("version", "%d.%d.%d" % sys.version_info[:3])
line("level", sys.version_info.releaselevel)
line("executable", os.path.realpath(executable))
line("prefix", os.path.realpath(sys.base_prefix))
line("platlibdir", getattr(sys, "platlibdir", "lib"))
line("stdlib", stdlib)
line("include", sysconfig.get_path("include", vars={"installed_base": sys.base_prefix}))
line("platinclude", sysconfig.get_path("platinclude", vars={"installed_platbase": sys.base_prefix}))
line("library", library)
line("libdir", config("LIBDIR"))
line("abiflags", getattr(sys, "abiflags", ""))
line("pip", importlib.util.find_spec("pip") is not None and "yes")
