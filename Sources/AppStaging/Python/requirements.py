"""Reads requirements files and reports, and says what is to be installed.

usage: requirements.py flatten OUTPUT EXCLUDED FILE...
       requirements.py report OUTPUT EXCLUDED REPORT

EXCLUDED is a list of normalized names, separated by commas. `flatten` makes one file of several: included files are
taken in, editable requirements become ordinary ones, excluded distributions are left out with those that only they need, as
the comments "# via" of locked files tell. `report` does the same for what pip's resolver reports (--report), and pins it.
Both print a line "FACT VALUES" for each thing that staging must know.
"""

import json
import os
import re
import sys

NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
INCLUDE = re.compile(r"(?:-r|--requirement)(?:\s+|=)(.+)|-r(\S+)")
CONSTRAINT = re.compile(r"(?:-c|--constraint)(?:\s+|=)(.+)|-c(\S+)")
EDITABLE = re.compile(r"(?:-e|--editable)(?:\s+|=)")
VIA = re.compile(r"#\s*(?:via\s+)?(.+)")
#: The same in the style of one line: "# via one, two".
INLINE_VIA = re.compile(r"\s#\s*via\s+(.+)$")


def normalized(name):
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def say(fact, *values):
    sys.stdout.buffer.write(os.fsencode(" ".join((fact, *values)) + "\n"))


class Line:
    """A requirement or option: a line with those that continue it, and the comments that follow."""

    def __init__(self, text, place):
        self.text = text
        self.place = place
        self.via = []

    @property
    def name(self):
        """The normalized name, or None for options, paths and addresses."""
        text = EDITABLE.sub("", self.text)
        if text.startswith("-") or text.startswith((".", "/")):
            return None
        found = NAME.match(text)
        rest = text[found.end() :] if found else ""
        if found is None or rest.startswith((":", "/", "+")):
            return None
        name = found.group(1)
        return None if name.endswith((".whl", ".zip", ".gz")) else normalized(name)

    @property
    def hashed(self):
        return "--hash" in self.text

    @property
    def is_requirement(self):
        return not self.text.startswith("-") or EDITABLE.match(self.text) is not None


def read(path, seen=()):
    """The logical lines of a requirements file and of those that it includes."""
    if path in seen:
        return
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        physical = file.read().splitlines()
    directory = os.path.dirname(path)
    last = None
    number = 0
    while number < len(physical):
        start = number
        text = physical[number]
        while text.endswith("\\") and number + 1 < len(physical):
            number += 1
            text = text[:-1] + physical[number]
        number += 1
        place = "%s:%d" % (path, start + 1)
        comment = text.strip()
        if comment.startswith("#"):
            found = VIA.match(comment)
            if last is not None and found and found.group(1) != "via":
                last.via.append(found.group(1).strip())
            continue
        inline = INLINE_VIA.search(text)
        text = re.sub(r"(^|\s+)#.*$", "", text).strip()
        if not text:
            last = None
            continue
        include = INCLUDE.match(text)
        constraint = CONSTRAINT.match(text)
        if include:
            name = include.group(1) or include.group(2)
            for line in read(os.path.join(directory, name.strip()), (*seen, path)):
                yield line
            last = None
            continue
        if constraint:
            name = (constraint.group(1) or constraint.group(2)).strip()
            if "://" not in name:
                name = os.path.abspath(os.path.join(directory, name))
            text = "-c " + name
        last = Line(text, place)
        if inline:
            last.via += inline.group(1).split(", ")
        yield last


def reachable(names, needed_by, blocked):
    """The names that somebody asks for, and what those need, without passing `blocked` ones."""
    names = set(names) - blocked
    found = set()
    # What nothing in the list needs was asked for.
    more = {name for name in names if not needed_by[name] or needed_by[name] - needed_by.keys()}
    while more:
        found |= more
        more = {name for name in names - found if needed_by[name] & found}
    return found


def without_excluded(names, needed_by, excluded):
    """The names that go: the excluded ones, and what nothing else leads to."""
    gone = reachable(names, needed_by, set()) - reachable(names, needed_by, excluded)
    return gone | (excluded & set(names))


def flatten(output, excluded, paths):
    lines = [line for path in paths for line in read(path)]
    requirements = [line for line in lines if line.is_requirement]
    hashed = [line for line in requirements if line.hashed]
    if hashed and len(hashed) < len(requirements):
        missing = next(line for line in requirements if not line.hashed)
        say("unhashed", missing.place, missing.text.split()[0])
    needed_by = {}
    for line in requirements:
        # "-r requirements.in" in a comment is a person who asks for it; no comment at all, in a file
        # that is not locked, is one as well.
        # "-c constraints.txt" asks for nothing.
        vias = [via for via in line.via if not via.startswith("-c")]
        names = {normalized(re.sub(r"[\[(].*", "", via).strip()) for via in vias}
        if any(via.startswith(("-r", "--")) or via.endswith(")") for via in vias):
            names = set()
        if line.name:
            needed_by[line.name] = needed_by.get(line.name, set()) | names - {line.name}
            if line.name in excluded and not names and (vias or not hashed):
                say("required", line.name, line.place)
    gone = without_excluded([line.name for line in requirements if line.name], needed_by, excluded)
    kept = [line for line in lines if not (line.is_requirement and line.name in gone)]
    with open(output, "w", encoding="utf-8", errors="surrogateescape") as file:
        for line in kept:
            file.write(EDITABLE.sub("", line.text) + "\n")
            say("line", line.place)
    for name in sorted(gone):
        say("dropped", name)
    say("hashed", "yes" if hashed else "no")
    say("count", str(len(requirements) - len(gone)))


EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def report(output, excluded, path):
    with open(path, encoding="utf-8") as file:
        found = json.load(file)["install"]
    items = {normalized(item["metadata"]["name"]): item for item in found}
    needed_by = {name: set() for name in items}
    for name, item in items.items():
        wanted = {normalized(extra) for extra in item.get("requested_extras") or ()}
        for requirement in item["metadata"].get("requires_dist") or ():
            match = NAME.match(requirement)
            extras = {normalized(extra) for extra in EXTRA.findall(requirement)}
            # Other markers are not looked at: one need too many keeps a distribution, which does no harm.
            if match and (not extras or extras & wanted):
                needed = normalized(match.group(1))
                if needed in needed_by and needed != name:
                    needed_by[needed].add(name)
    for name, item in items.items():
        if item.get("requested"):
            needed_by[name] = set()
    gone = without_excluded(items, needed_by, excluded)
    pinned, loose = [], []
    for name, item in sorted(items.items()):
        if name in gone:
            continue
        info = item["download_info"]
        url = info["url"]
        sha256 = info.get("archive_info", {}).get("hashes", {}).get("sha256")
        if "vcs_info" in info:
            vcs = info["vcs_info"]
            url = "%s+%s@%s" % (vcs["vcs"], url, vcs["commit_id"])
        if info.get("subdirectory"):
            url += "#subdirectory=" + info["subdirectory"]
        line = "%s @ %s" % (item["metadata"]["name"], url)
        if sha256 and "vcs_info" not in info:
            pinned.append("%s --hash=sha256:%s" % (line, sha256))
        else:
            loose.append(line)
    for suffix, lines in ("", pinned), (".loose", loose):
        with open(output + suffix, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
    for name in sorted(gone):
        say("dropped", name)
    say("pinned", str(len(pinned)))
    say("loose", str(len(loose)))


def main():
    mode, output, excluded, *paths = sys.argv[1:]
    excluded = set(filter(None, excluded.split(",")))
    if mode == "flatten":
        flatten(output, excluded, paths)
    else:
        report(output, excluded, paths[0])


main()
