"""Moves what an installer put into a directory of its own into a staged tree, by the RECORDs of the distributions.

usage: merge.py DIRECTORY ROOT SITE PROGRAM

pip (--target) and uv (--prefix) write the paths of scripts and data as seen from the directory of the packages, "../../bin/x",
wherever these are below DIRECTORY. In the tree ROOT packages go to SITE and the rest to where it belongs below ROOT. Scripts
name PROGRAM, from ROOT, as their interpreter: what the installer wrote is this machine's.
"""

import glob
import os
import re
import shutil
import sys

from records import rows_of, text_of

DIRECTORY, ROOT, SITE, PROGRAM = sys.argv[1:]

#: The first line, or the three lines that are written where that would be too long.
SHEBANG = re.compile(rb"#!(?:/bin/sh\n'''exec' .*\n' '''|[^\n]*python[^\n]*)\n")


def destination(path):
    """Where a path of a RECORD goes, from ROOT."""
    outside = re.match(r"(?:\.\./)+(.+)", path)
    return outside.group(1) if outside else os.path.join(SITE, path)


def source(path, place):
    outside = re.match(r"(?:\.\./)+(.+)", path)
    return os.path.join(DIRECTORY if outside else place, outside.group(1) if outside else path)


def move(origin, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if target.startswith(os.path.join(ROOT, "bin") + os.sep):
        with open(origin, "rb") as file:
            content = file.read()
        shebang = SHEBANG.match(content)
        if shebang:
            program = os.fsencode(os.path.join(ROOT, PROGRAM))
            with open(origin, "wb") as file:
                file.write(b"#!" + program + b"\n" + content[shebang.end() :])
    os.replace(origin, target)


def merge(record):
    place = os.path.dirname(os.path.dirname(record))
    rows = []
    with open(record, encoding="utf-8", newline="") as file:
        old = rows_of(file.read())
    for path, digest, size in old:
        target = destination(path)
        origin = source(path, place)
        if origin != record and os.path.exists(origin):
            move(origin, os.path.join(ROOT, target))
        rows.append([os.path.relpath(target, SITE), digest, size])
    target = os.path.join(ROOT, SITE, os.path.basename(os.path.dirname(record)), "RECORD")
    with open(record, "w", encoding="utf-8", newline="") as file:
        file.write(text_of(rows))
    move(record, target)


def move_rest(place):
    """What installers write beside the files that a RECORD lists."""
    for info in glob.glob(os.path.join(glob.escape(place), "*.dist-info")):
        for directory, _, names in os.walk(info):
            for name in names:
                path = os.path.join(directory, name)
                move(path, os.path.join(ROOT, SITE, os.path.relpath(path, place)))


def main():
    records = []
    for directory, _, names in os.walk(DIRECTORY):
        if directory.endswith(".dist-info") and "RECORD" in names:
            records.append(os.path.join(directory, "RECORD"))
    for record in sorted(records):
        merge(record)
    for place in sorted({os.path.dirname(os.path.dirname(record)) for record in records}):
        move_rest(place)
    shutil.rmtree(DIRECTORY)


main()
