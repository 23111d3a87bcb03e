"""Reads requirements files and locks, and says what is to be installed.

usage: requirements.py flatten OUTPUT EXCLUDED [OPTION...] FILE...
       requirements.py report OUTPUT EXCLUDED REPORT OPTIONS

EXCLUDED is a list of normalized names, separated by commas. `flatten` makes one file of several: included files are
taken in, editable requirements become ordinary ones, excluded distributions are left out with those that only they need, as
the comments "# via" of locked files tell. Projects of this machine are left out and printed; what has an address and no hash goes to
OUTPUT.beside if the rest has hashes; options such as --index-url go to OUTPUT.options as well. `report` pins what pip's resolver
reports (--report). Both print a line "FACT VALUE" for each thing that staging must know.
"""

import argparse
import json
import os
import platform
import re
import sys

from evaluation import Marker, Requirement, linux_environment, normalized
from locks import Wanted, is_lock, read_lock
from projects import LocalProject, LocalProjects, Project, Script
from requirement_lines import ARCHIVES, EDITABLE, NAME, Line, fail, is_url, local_path, read, without_secret


def say(fact, *values):
    sys.stdout.buffer.write(os.fsencode(" ".join((fact, *values)) + "\n"))


def write_lines(path, lines):
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(line + "\n" for line in lines)
    # Options may hold passwords.
    os.chmod(path, 0o600)


# What is excluded


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


def excluded_names(requirements, excluded, hashed):
    """The names that go, by the comments of the lines."""
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
    return without_excluded([line.name for line in requirements if line.name], needed_by, excluded)


def asked_names(requirements, locals):
    """The names that a person asks for: all but those that only distributions of the list need."""
    known = {line.name for line in requirements if line.name} - {local.name for local in locals}
    found = {local.name for local in locals if local.needed and local.name}
    for line in requirements:
        vias = [via for via in line.via if not via.startswith("-c")]
        if line.name and not (vias and all(normalized(via) in known for via in vias)):
            found.add(line.name)
    return found


# Reading


class Reading:
    """What `flatten` is told, and finds."""

    def __init__(self, options):
        self.options = options
        self.environment = linux_environment(options.python, options.machine)
        self.locks = [options.lock] if options.lock else []
        self.files = [path for path in options.files if not is_lock(path)]
        self.locks += [path for path in options.files if is_lock(path)]
        self.script = Script(options.script) if options.script else None
        self.find_locks()
        self.lines = []
        self.locals = []
        #: Names and hashes of the archives in locks.
        self.archives = []

    # Locks that nobody names

    def find_locks(self):
        """Takes the lock beside a script, or beside a project where nothing else says what it needs."""
        if self.script is not None or self.options.package:
            beside = "%s.lock" % self.options.script
            if self.script is not None and not self.locks and os.path.isfile(beside):
                self.locks = [beside]
                say("lock", beside)
            return
        place = self.options.project or self.options.directory
        beside = locks_beside(place)
        if self.locks or not beside:
            return
        own = [path for path in beside if os.path.basename(path) != "Pipfile.lock"]
        if self.options.project and not self.files and own:
            if len(own) > 1:
                names = " and ".join(os.path.basename(path) for path in own)
                fail(place, "has %s: name one of them in dependencies.lock" % names)
            self.locks = own
            say("lock", own[0])
        else:
            self.unused = beside

    unused = ()

    def tell_unused(self, locked):
        """A lock that is not used is told, unless other files with hashes say what is needed."""
        for path in () if locked else self.unused:
            say("warning", "'%s' is not used: name it in dependencies.lock" % path)

    # Lines

    def read(self):
        options = self.options
        wanted = Wanted(self.environment, options.project, options.extra, options.group, self.script)
        for path in self.files:
            self.lines += read(path, path)
        self.lines += [checked(text, place) for place, text in options.package]
        if len(self.locks) > 1:
            fail(self.locks[1], "is the second lock: one is enough")
        for path in self.locks:
            lines, archives = read_lock(path, wanted)
            self.lines += lines
            self.archives += archives
        project = Project(options.project or options.directory)
        if options.group and not self.locks:
            for name in options.group:
                self.lines += [Line(text, project.place(name)) for text in project.group(name)]
        # A script alone has nothing to do with the project of its directory.
        here = Project(options.directory).sources(self.environment) if self.lines else {}
        self.lines = [line for line in self.lines if not line.is_requirement or self.settle(line, here)]
        if self.script is not None:
            self.read_script(self.script)

    def read_script(self, script):
        """What a script says that it needs; its lock has told, if there is one."""
        script.check_python(self.options.python)
        if self.locks:
            return
        sources = script.sources(self.environment)
        self.lines += [Line(option, script.path) for option in script.options()]
        for text in script.dependencies():
            line = checked(text, script.place(text))
            if self.settle(line, sources):
                self.lines.append(line)

    def settle(self, line, sources):
        """Finds out whether a line means something of this machine. Returns False where its marker is not true here."""
        line.text = EDITABLE.sub("", line.text)
        if line.path is None:
            # A URL may have a semicolon, as pip sees it.
            head, _, marker = line.text.partition("; " if is_url(line.text) or "://" in line.text else ";")
            requirement = line.requirement
            source = sources.get(line.name) if requirement and not requirement.url and not line.hashed else None
            if source is not None:
                line.text = source.requirement(line.name, sorted({*requirement.extras, *source.extras}))
                if requirement.marker is not None and not requirement.marker.holds(self.environment):
                    return False
                head, marker = line.text, ""
            found = local_path(re.split(r"\s--[a-z]", head)[0], self.directories(line))
            if found is None:
                return True
            try:
                if marker and not Marker(re.split(r"\s--[a-z]", marker)[0]).holds(self.environment):
                    return False
            except ValueError as error:
                fail(line.place, str(error))
            line.path, line.extras = found
        if not os.path.exists(line.path):
            fail(line.place, "'%s' is not there" % line.path)
        if os.path.isdir(line.path):
            line.own_name = line.own_name or Project(line.path).name
        elif not line.path.endswith(ARCHIVES):
            fail(line.place, "'%s' is neither a directory with a project nor an archive" % line.path)
        elif "@" not in line.text:
            extras = "[%s]" % ",".join(line.extras) if line.extras else ""
            line.text = line.text.replace(line.text.split(" --")[0], line.path + extras)
        return True

    def directories(self, line):
        """Where relative paths start: for pip where it runs; some tools write them as seen from the file."""
        return [self.options.directory, os.path.dirname(os.path.abspath(line.place.rpartition(":")[0]))]

    def local_projects(self, gone):
        """The projects of this machine in the order in which they are built."""
        options = self.options
        start = []
        if options.project:
            start.append(LocalProject(options.project, options.project, options.extra))
        for line in self.lines:
            if line.is_requirement and line.path and os.path.isdir(line.path) and line.name not in gone:
                one = LocalProject(line.path, line.place, line.extras, line.own_name)
                same = next((other for other in start if other.path == one.path), None)
                if same is None:
                    start.append(one)
                else:
                    same.extras = sorted({*same.extras, *one.extras})
        return LocalProjects(start, options.group, self.environment, not self.locked)

    def flatten(self, output, excluded):
        self.read()
        requirements = [line for line in self.lines if line.is_requirement]
        archives = [line for line in requirements if not (line.path and os.path.isdir(line.path))]
        hashed = [line for line in archives if line.hashed]
        loose = [line for line in archives if not line.hashed]
        self.locked = bool(hashed or self.locks)
        beside = [line for line in loose if line.is_commit or line.path] if self.locked else []
        if self.locked and len(beside) < len(loose):
            missing = next(line for line in loose if line not in beside)
            say("unhashed", missing.place, missing.text.split()[0])
        gone = excluded_names(requirements, excluded, self.locked)
        projects = self.local_projects(gone)
        kept = [line for line in self.lines if not line.is_requirement]
        options = [line.text for line in kept if not line.text.startswith(("-c", "--constraint", "--require-hashes"))]
        kept = [
            line
            for line in self.lines
            if not line.is_requirement or (line in archives and line not in beside and line.name not in gone)
        ]
        if not self.locked:
            kept += [Line(text, place) for text, place in projects.addressed.values()]
        write_lines(output, [line.text for line in kept])
        write_lines(output + ".options", options)
        beside = [line.text for line in beside if line.name not in gone]
        write_lines(output + ".beside", options + beside if beside else [])
        self.tell_unhashed([line for line in loose if line.name not in gone], projects)
        self.report(kept, beside, projects, gone)

    def tell_unhashed(self, loose, projects):
        """Tells of each requirement that has no hash, for who allows none. What only a build backend knows is not here."""
        for line in loose:
            word = line.text.split()[0]
            name = line.name or (without_secret(word) if "://" in word else word)
            tell_loose(name, line.place, [via for via in line.via if not via.startswith(("-", "the project"))])
        ours = {local.name for local in projects.ordered()}
        for local in projects.ordered():
            if self.locked or not local.needed:
                continue
            for name in projects.names(local, local.project.dependencies(local.extras)):
                if name not in ours:
                    tell_loose(name, local.project.place(name), [local.name or local.path])

    def report(self, kept, beside, projects, gone):
        for line in kept:
            say("line", line.place)
        for local in projects.ordered():
            say("local", local.path)
            say("local_place", local.place)
            say("local_name", local.name or "")
            say("local_extras", ",".join(local.extras))
            say("local_needed", "yes" if local.needed else "no")
        for name in sorted(gone):
            say("dropped", name)
        requirements = [line for line in self.lines if line.is_requirement]
        for name in sorted(asked_names(requirements, projects.ordered())):
            say("asked", name)
        for line in kept:
            hashes = re.findall(r"--hash[ =]sha256:([0-9a-f]{64})\b", line.text)
            if line.name and len(hashes) == 1:
                say("archive", hashes[0], line.name)
        for name, sha256 in self.archives:
            say("archive", sha256, name)
        say("hashed", "yes" if self.locked else "no")
        say("beside", str(len(beside)))
        say("count", str(len([line for line in kept if line.is_requirement])))
        self.tell_unused(self.locked)


def tell_loose(name, place, needed_by):
    say("loose", name)
    say("loose_place", place)
    for one in needed_by:
        say("loose_via", one)


def checked(text, place):
    """The line of a requirement, which must be one by PEP 508."""
    try:
        Requirement(text)
    except ValueError as error:
        fail(place, str(error))
    return Line(text, place)


def locks_beside(directory):
    """The locks of the project in a directory: beside it, or at the root of its uv workspace."""
    names = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
    found = [os.path.normpath(os.path.join(directory, name)) for name in names]
    found = [path for path in found if os.path.isfile(path)]
    if not found:
        root = Project(directory).workspace()
        path = os.path.join(root.directory, "uv.lock") if root is not None else ""
        found = [path] if os.path.isfile(path) else []
    return found


EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def report(output, excluded, path, options):
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
        line, is_hashed = pin(item)
        (pinned if is_hashed else loose).append(line)
    with open(options, encoding="utf-8", errors="surrogateescape") as file:
        settings = file.read().splitlines()
    for suffix, lines in ("", pinned), (".loose", loose):
        write_lines(output + suffix, settings + lines)
    for name in sorted(gone):
        say("dropped", name)
    say("pinned", str(len(pinned)))
    say("loose", str(len(loose)))


def pin(item):
    """A line that means the same distribution again, and whether it has a hash. pip leaves the password out of the URLs that it
    reports, so what came from an index is asked of the index again."""
    name, info = item["metadata"]["name"], item["download_info"]
    url = info["url"]
    sha256 = info.get("archive_info", {}).get("hashes", {}).get("sha256")
    if "vcs_info" in info:
        vcs = info["vcs_info"]
        url = "%s+%s@%s" % (vcs["vcs"], url, vcs["commit_id"])
    if info.get("subdirectory"):
        url += "#subdirectory=" + info["subdirectory"]
    line = "%s @ %s" % (name, url)
    if not item.get("is_direct", True):
        line = "%s==%s" % (name, item["metadata"]["version"])
    if sha256 and "vcs_info" not in info:
        return "%s --hash=sha256:%s" % (line, sha256), True
    return line, False


def main():
    mode, output, excluded, *rest = sys.argv[1:]
    excluded = set(filter(None, excluded.split(",")))
    if mode == "report":
        report(output, excluded, *rest)
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--lock")
    parser.add_argument("--project")
    parser.add_argument("--script")
    parser.add_argument("--package", action="append", nargs=2, default=[], metavar=("PLACE", "REQUIREMENT"))
    parser.add_argument("--directory", default=os.getcwd())
    parser.add_argument("--extra", action="append", default=[])
    parser.add_argument("--group", action="append", default=[])
    parser.add_argument("--python", default=platform.python_version())
    parser.add_argument("--machine", default=platform.machine())
    parser.add_argument("files", nargs="*")
    Reading(parser.parse_args(rest)).flatten(output, excluded)


main()
