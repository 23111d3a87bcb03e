"""Lines of requirements files, read as pip reads them.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

import codecs
import os
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

from evaluation import Requirement, normalized

NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
EDITABLE = re.compile(r"(?:-e|--editable)(?:\s+|=)")
#: Options that name files, and are resolved against the file that has them.
PLACED = re.compile(
    r"(?P<option>-r|--requirement|-c|--constraint|-f|--find-links)(?:\s+|=|(?<=-[rcf]))(?P<value>'[^']*'|\"[^\"]*\"|\S+)"
)
VIA = re.compile(r"#\s*(?:via\s+)?(.+)")
#: The same in the style of one line: "# via one, two".
INLINE_VIA = re.compile(r"\s#\s*via\s+(.+)$")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
#: Marks of an encoding at the beginning, the longest first.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
VCS = ("git+", "hg+", "svn+", "bzr+")
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
TIMEOUT = 60


def fail(place, message):
    """Ends the program with a message about a place such as "requirements.txt:3"."""
    sys.exit(("%s: %s" % (place, message)).replace("\n", " "))


def decoded(content, place):
    """The text of a requirements file. pip knows marks of Unicode and comments such as "# -*- coding: latin-1 -*-"."""
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), None)
    if encoding is None:
        for line in content.split(b"\n")[:2]:
            found = CODING.search(line) if line.startswith(b"#") else None
            if found:
                encoding = found.group(1).decode()
                break
    try:
        if encoding is not None:
            return content.decode(encoding)
    except LookupError:
        fail(place, "names the encoding '%s', which Python does not know" % encoding)
    except UnicodeError as error:
        fail(place, "is not the %s that it begins as: %s" % (encoding, error))
    # What is neither is most likely latin-1 in a comment.
    return content.decode("utf-8", errors="surrogateescape")


def expanded(text):
    """With the values of variables such as ${TOKEN}; those that are not set stay."""
    return VARIABLE.sub(lambda found: os.environ.get(found.group(1)) or found.group(0), text)


def is_url(text):
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|file:", text) is not None


def file_path(url):
    """The path of a file: URL, without what may follow '#'."""
    return urllib.request.url2pathname(urllib.parse.urlsplit(url).path)


def without_secret(url):
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def fetched(url, place):
    """The content of a requirements file on a server, or of a file: URL."""
    if url.startswith("file:"):
        url = urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(fragment=""))
    parts = urllib.parse.urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    shown = without_secret(url)
    request = urllib.request.Request(shown, headers={"User-Agent": "onefold"})
    if user:
        import base64

        secret = urllib.parse.unquote(user).encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(secret).decode())
    authorities = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")
    try:
        context = ssl.create_default_context(cafile=authorities) if authorities else None
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        fail(place, "cannot read %s: the server answers %d %s" % (shown, error.code, error.reason))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        fail(place, "cannot read %s: %s" % (shown, reason))


class Line:
    """A requirement or option: a line with those that continue it, and the comments that follow."""

    def __init__(self, text, place, via=()):
        self.text = text
        self.place = place
        self.via = list(via)
        #: Of a project or archive of this machine: its path.
        self.path = None
        #: Of a local project: its extras, and its own name.
        self.extras = []
        self.own_name = None

    @property
    def name(self):
        """The normalized name, or None for options, paths and addresses."""
        if self.own_name:
            return self.own_name
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

    @property
    def is_commit(self):
        """Whether it is a commit of a repository, which is as good as a hash."""
        return any(vcs in self.text for vcs in VCS) and re.search(r"@[0-9a-f]{40}\b", self.text) is not None

    @property
    def requirement(self):
        """Parsed, without options such as --hash; None where it is none by PEP 508."""
        try:
            return Requirement(re.split(r"\s--?[a-z]", self.text)[0])
        except ValueError:
            return None


class RequirementsFile:
    """A requirements file, or one on a server."""

    def __init__(self, location):
        self.location = location

    def read(self, place):
        if is_url(self.location):
            content = fetched(self.location, place)
        else:
            try:
                with open(self.location, "rb") as file:
                    content = file.read()
            except OSError as error:
                fail(place, "cannot read '%s': %s" % (self.location, error.strerror))
        return decoded(content, self.shown)

    @property
    def shown(self):
        return without_secret(self.location) if is_url(self.location) else self.location

    def beside(self, name):
        """Where a file is that this one names."""
        if is_url(name):
            return name
        if is_url(self.location):
            return urllib.parse.urljoin(self.location, name)
        return os.path.normpath(os.path.join(os.path.dirname(self.location), name))


def placed(text, file):
    """An option line with the paths that it names made absolute. pip takes directories of links from its own where the file's
    has none of that name."""

    def replace(found):
        value = expanded(found["value"].strip("'\""))
        if is_url(value):
            return found.group(0)
        path = file.beside(value)
        is_link = found["option"] in ("-f", "--find-links")
        if not is_url(path):
            path = os.path.abspath(path)
            if is_link and not os.path.exists(path):
                path = os.path.abspath(value)
        return "%s %s" % (found["option"], "'%s'" % path if re.search(r"\s", path) else path)

    return PLACED.sub(replace, text)


def read(location, place, seen=()):
    """The logical lines of a requirements file and of those that it includes."""
    if location in seen:
        return
    file = RequirementsFile(location)
    physical = file.read(place).splitlines()
    last = None
    number = 0
    while number < len(physical):
        start = number
        text = physical[number]
        while text.endswith("\\") and number + 1 < len(physical) and not text.strip().startswith("#"):
            number += 1
            text = text[:-1] + physical[number]
        number += 1
        here = "%s:%d" % (file.shown, start + 1)
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
        option = PLACED.match(text)
        if option and option["option"] in ("-r", "--requirement"):
            name = file.beside(expanded(option["value"].strip("'\"")))
            for line in read(name, here, (*seen, location)):
                yield line
            last = None
            continue
        if text.startswith("-") and not EDITABLE.match(text):
            text = placed(text, file)
        last = Line(text, here)
        if inline:
            last.via += inline.group(1).split(", ")
        yield last


def local_path(text, directories):
    """Of a requirement without marker: the path that it means and its extras, or None where it means no file of this machine.
    Relative paths start from the first of `directories` that has them."""
    text = text.strip()
    extras = []
    named = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*@\s*(file:\S+)", text)
    if named:
        extras, text = (named.group(2) or "").split(","), named.group(3)
    text = expanded(text)
    if not named:
        found = re.match(r"(.+?)\s*\[([A-Za-z0-9._,\s-]*)\]$", text)
        if found:
            text, extras = found.group(1), found.group(2).split(",")
    extras = [normalized(extra.strip()) for extra in extras if extra.strip()]
    if text.startswith("file:"):
        fragment = urllib.parse.parse_qs(urllib.parse.urlsplit(text).fragment)
        path = os.path.join(file_path(text), *fragment.get("subdirectory", []))
        return os.path.abspath(os.path.join(directories[0], path)), extras
    path = text.partition("#egg=")[0]
    if "://" in path or not ("/" in path or path.startswith(".") or path.endswith(ARCHIVES)):
        return None
    if re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*@", path):
        return None
    places = [os.path.abspath(os.path.join(directory, path)) for directory in directories]
    return next((place for place in places if os.path.exists(place)), places[0]), extras
