"""Says what the distributions in a directory are, and which programs they bring.

usage: package.py DIRECTORY REQUIREMENT...

REQUIREMENT is what was installed. Prints for each "package NAME", "version VERSION" and "pinned REQUIREMENT", which means that version alone; then
for each program "command NAME", followed by "function MODULE:NAME" if it is a console script. A requirement that means nothing
here, by its marker, has no version.
"""

import os
import re
import sys
from importlib import metadata

from evaluation import Requirement, normalized
from records import rows_of


def say(*values):
    sys.stdout.buffer.write(os.fsencode(" ".join(values) + "\n"))


def pinned(text, version):
    requirement = Requirement(text)
    if requirement.url or re.match(r"===?\s*[^*,]+$", requirement.specifier):
        return text
    name = re.match(r"\s*([A-Za-z0-9._-]+)", text).group(1)
    extras = "[%s]" % ",".join(requirement.extras) if requirement.extras else ""
    marker = "; %s" % requirement.marker.text.strip() if requirement.marker else ""
    return "%s%s==%s%s" % (name, extras, version, marker)


def recorded(distribution):
    """The paths in its RECORD. From Python 3.12 on, `distribution.files` leaves out the programs, because --target puts them
    elsewhere than RECORD says."""
    return [row[0] for row in rows_of(distribution.read_text("RECORD") or "")]


def commands(distribution):
    """The programs that pip puts beside the interpreter, by name, with the function that each calls."""
    found = {}
    for file in recorded(distribution):
        # uv installs programs in the directory itself, where a package may be called "bin" as well.
        path = re.fullmatch(r"(?:\.\./)*bin/([^/]+)", file)
        if path and (file.startswith("..") or not path.group(1).endswith((".py", ".pyc"))):
            found[path.group(1)] = None
    for entry in distribution.entry_points:
        if entry.group in ("console_scripts", "gui_scripts"):
            found[entry.name] = re.sub(r"\s*\[.*", "", entry.value).replace(" ", "")
    return found


def main():
    directory, *texts = sys.argv[1:]
    installed = {}
    for found in metadata.distributions(path=[directory]):
        if found.metadata["Name"]:
            installed[normalized(found.metadata["Name"])] = found
    for text in texts:
        name = Requirement(text).name
        found = installed.get(name)
        say("package", found.metadata["Name"] if found else name)
        if found is None:
            continue
        say("version", found.version)
        say("pinned", pinned(text, found.version))
        for command, function in sorted(commands(found).items()):
            say("command", command)
            if function:
                say("function", function)


main()
