"""Ends with 0 where one of the directories has the module that the first argument names; says why where not. Imports nothing:
the modules are another target's.

usage: find_file.py MODULE DIRECTORY...
"""

import os
import re
import sys

name, *directories = sys.argv[1:]
FILE = r"%s(\.[A-Za-z0-9_.-]+)?\.(py|pyc|so)"


def find(part, directories):
    """The directories of a package, or none for a module; None where there is neither."""
    spaces = []
    for directory in directories:
        names = os.listdir(directory) if os.path.isdir(directory) else []
        below = os.path.join(directory, part)
        inside = os.listdir(below) if os.path.isdir(below) else []
        if any(re.fullmatch(FILE % "__init__", one) for one in inside):
            return [below]
        if any(re.fullmatch(FILE % re.escape(part), one) for one in names):
            return []
        if os.path.isdir(below):
            spaces.append(below)
    return spaces or None


def extends_path(directories):
    """Whether a package looks for its modules elsewhere as well, which only running it would tell."""
    for directory in directories:
        source = os.path.join(directory, "__init__.py")
        if os.path.isfile(source):
            with open(source, "rb") as file:
                return b"__path__" in file.read()
    return False


parts = name.split(".")
for index, part in enumerate(parts):
    below = find(part, directories)
    if below is None:
        if index and extends_path(directories):
            break
        sys.exit("No module named %r" % ".".join(parts[: index + 1]))
    directories = below
