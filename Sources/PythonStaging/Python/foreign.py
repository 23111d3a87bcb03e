"""Prints what staging must know of an interpreter for another target, a line "name value" each, as probe.py and staged.py do of
one that can be started here. It only reads files: nothing of the interpreter is executed or imported.

usage: foreign.py PROGRAM VERSION SYSTEM-ROOT

VERSION is such as 3.11. SYSTEM-ROOT, which may be empty, is the root of the system that the interpreter is installed in.
"""

import ast
import glob
import importlib.util
import json
import os
import re
import sys

PROGRAM, SHORT, SYSTEM_ROOT = sys.argv[1:]


def line(name, value):
    sys.stdout.buffer.write(os.fsencode("%s %s\n" % (name, value or "")))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def first(paths):
    """The first path that is there, else an empty text."""
    return next((path for path in paths if path and os.path.exists(path)), "")


def search(pattern, paths):
    """What the pattern's groups match in the first file that has it."""
    for path in paths:
        if os.path.isfile(path):
            found = re.search(pattern, read(path))
            if found:
                return [group.decode("ascii", "replace") for group in found.groups(b"")]
    return []


def find_standard_library(prefix):
    for directory in "lib", "lib64":
        for suffix in "", "t":
            place = os.path.join(prefix, directory, "python" + SHORT + suffix)
            if os.path.isfile(os.path.join(place, "os.py")):
                return place
    sys.exit("there is no standard library of Python %s in '%s'" % (SHORT, prefix))


def build_variables(stdlib):
    """What sysconfig would know: a module that only assigns one literal."""
    for path in sorted(glob.glob(os.path.join(stdlib, "_sysconfigdata_*.py"))):
        for statement in ast.parse(read(path)).body:
            if isinstance(statement, ast.Assign) and statement.targets[0].id == "build_time_vars":
                return ast.literal_eval(statement.value)
    sys.exit("there is no _sysconfigdata_*.py in '%s', which says how it was built" % stdlib)


def find_library(prefix, variables):
    """libpython, if it is a shared library."""
    name = variables.get("INSTSONAME") or ""
    if not variables.get("Py_ENABLE_SHARED") or not name.startswith("libpython"):
        return ""
    directories = ["lib", "lib64", os.path.join("lib", variables.get("MULTIARCH") or "")]
    return first(os.path.join(prefix, directory, name) for directory in directories)


def find_version(prefix, stdlib, binaries):
    """The whole version, such as 3.11.7 or 3.14.0rc1."""
    details = os.path.join(stdlib, "build-details.json")
    if os.path.isfile(details):
        info = json.loads(read(details))["language"]["version_info"]
        level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info["releaselevel"])
        text = "%(major)d.%(minor)d.%(micro)d" % info
        return text + (level + str(info["serial"]) if level else "")
    headers = glob.glob(os.path.join(prefix, "include", "python%s*" % SHORT, "patchlevel.h"))
    found = search(rb'#define\s+PY_VERSION\s+"([^"]+)"', headers)
    pattern = rb"\0(%s\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)\+?\0" % re.escape(SHORT.encode())
    found = found or search(pattern, binaries)
    if not found:
        sys.exit("no file of '%s' says which Python %s it is" % (prefix, SHORT))
    return found[0].rstrip("+")


def site_directory(stdlib, library_name):
    """Where distributions go, from the prefix. Debian's interpreters look for them elsewhere."""
    site = read(os.path.join(stdlib, "site.py"))
    if b'"dist-packages"' in site or b"'dist-packages'" in site:
        if b'"local/lib"' in site:
            return "local/lib/python%s/dist-packages" % SHORT
        return "lib/python3/dist-packages"
    return library_name + "/site-packages"


def certificates(prefix, stdlib, binaries):
    """The directory of OpenSSL's settings, as its library was built."""
    libraries = []
    for root in prefix, SYSTEM_ROOT, os.path.join(SYSTEM_ROOT, "usr"):
        for directory in "lib/*-linux-gnu", "lib64", "lib":
            if root:
                libraries += sorted(glob.glob(os.path.join(root, directory, "libcrypto.so.*")))
    modules = sorted(glob.glob(os.path.join(stdlib, "lib-dynload", "_ssl*.so")))
    found = search(rb'OPENSSLDIR: "([^"\0]+)"', libraries + modules + binaries)
    if found:
        line("cafile", found[0] + "/cert.pem")
        line("capath", found[0] + "/certs")


def system_glibc():
    """The version of the glibc that the system root has."""
    if not SYSTEM_ROOT:
        return ""
    places = []
    for directory in "lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib64", "usr/lib64", "lib":
        places += sorted(glob.glob(os.path.join(SYSTEM_ROOT, directory, "libc.so.6")))
    found = search(rb"GNU C Library .*release version ([0-9]+)\.([0-9]+)", places)
    return ".".join(found)


def magic(stdlib):
    """What the interpreter's byte code begins with; empty where that stands in its program alone (from 3.14 on)."""
    path = os.path.join(stdlib, "importlib", "_bootstrap_external.py")
    found = search(rb"\nMAGIC_NUMBER = \(([0-9]+)\)\.to_bytes", [path])
    return found[0] if found else ""


def main():
    program = os.path.realpath(PROGRAM)
    prefix = os.path.dirname(os.path.dirname(program))
    stdlib = find_standard_library(prefix)
    variables = build_variables(stdlib)
    library = find_library(prefix, variables)
    binaries = [library, program] if library else [program]
    version = find_version(prefix, stdlib, binaries)
    number, level = re.match(r"([0-9.]+)(.*)", version).groups()
    library_name = os.path.relpath(stdlib, prefix)
    line("implementation", str(variables.get("SOABI", "")).split("-")[0])
    line("executable", program)
    line("prefix", prefix)
    line("version", number)
    line("level", level)
    line("stdlib", stdlib)
    line("library", library and os.path.realpath(library))
    line("abiflags", variables.get("ABIFLAGS"))
    line("site", site_directory(stdlib, library_name))
    line("glibc", system_glibc())
    line("magic", magic(stdlib))
    line("own_version", "%d.%d.%d" % sys.version_info[:3])
    line("own_level", "" if sys.version_info.releaselevel == "final" else sys.version)
    line("own_magic", str(int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")))
    certificates(prefix, stdlib, binaries)


main()
