"""Prints what is installed in the site-packages directory that is the first argument.

For each distribution "distribution NAME VERSION DIRECTORY", "requires NAME" for each that it needs whatever the extra, "optional NAME" for
each that one of its extras needs, "top NAME" for each module or package of its own at the top level, and "file PATH" for each of its files. If it is from no index, "origin JSON" tells its
hash or commit, and "local" that it is from this machine (PyPA specification "Recording the direct URL origin").
"""

import json
import os
import re
import sys
from importlib import machinery, metadata

from evaluation import normalized

SUFFIXES = tuple(machinery.all_suffixes())


def say(*values):
    sys.stdout.buffer.write(os.fsencode(" ".join(values) + "\n"))


def top_level(files):
    """The modules at the top level that these files are of. Directories of a namespace package stand for the first
    packages below them that are none."""
    paths = {path.replace("\\", "/") for path in files}
    initials = {path for path in paths if os.path.basename(path).split(".")[0] == "__init__"}
    packages = {os.path.dirname(path) for path in initials if path.endswith(SUFFIXES)}
    names = set()
    for path in paths:
        if not path.endswith(SUFFIXES) or path.startswith(".."):
            continue
        parts = path.split("/")
        if any("." in part or "-" in part for part in parts[:-1]):
            continue
        module = parts[-1].split(".")[0]
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in packages:
                names.add(".".join(parts[:depth]))
                break
        else:
            if len(parts) == 1 and module.isidentifier():
                names.add(module)
            elif len(parts) > 1 and module.isidentifier() and path.endswith(".py"):
                # A module in a namespace package.
                names.add(".".join(parts[:-1] + [module]))
    return sorted(names)


def direct_url(found):
    """What its direct_url.json holds; {} without one."""
    try:
        direct = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return direct if isinstance(direct, dict) else {}


for found in sorted(metadata.distributions(path=[sys.argv[1]]), key=lambda one: str(one._path)):
    name = found.metadata["Name"]
    if not name:
        continue
    say("distribution", normalized(name), found.version or "?", os.path.basename(str(found._path)))
    for requirement in found.requires or ():
        match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
        if match:
            is_optional = "extra" in requirement.partition(";")[2]
            say("optional" if is_optional else "requires", normalized(match.group(1)))
    direct = direct_url(found)
    origin = {key: direct[key] for key in ("archive_info", "vcs_info") if direct.get(key)}
    if origin:
        say("origin", json.dumps(origin, sort_keys=True))
    if str(direct.get("url", "")).startswith("file:"):
        say("local")
    files = [str(file) for file in found.files or ()]
    for module in top_level(files):
        say("top", module)
    for file in files:
        say("file", file)
