"""Takes the paths of this machine out of the metadata of a wheel that was built of a local project.

usage: local_wheel.py WHEEL

Backends write "Requires-Dist: NAME @ file:///PATH" for a dependency on a directory. Each becomes "NAME", and is printed as a line
"depends NAME" and a line "path PATH". What else the wheel holds stays as it is.
"""

import base64
import hashlib
import os
import re
import sys
import urllib.parse
import urllib.request
import zipfile

from records import rows_of, text_of

NEED = re.compile(
    r"^(Requires-Dist:\s*)([A-Za-z0-9][A-Za-z0-9._-]*)(\s*\[[^\]]*\])?\s*@\s*(file:[^\s;]+)[ \t]*(;[^\r\n]*)?", re.MULTILINE
)


def say(fact, value):
    sys.stdout.buffer.write(os.fsencode("%s %s\n" % (fact, value)))


def without_paths(found):
    start, name, extras, url, marker = found.groups()
    say("depends", name + re.sub(r"\s", "", extras or ""))
    say("path", urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
    return "%s%s%s%s" % (start, name, extras or "", " " + marker if marker else "")


def recorded(record, path, content):
    """RECORD with another hash of one file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    new = [path, "sha256=" + digest, str(len(content))]
    return text_of(new if row[0] == path else row for row in rows_of(record.decode())).encode()


def main(path):
    with zipfile.ZipFile(path) as wheel:
        contents = [(entry, wheel.read(entry)) for entry in wheel.infolist()]
    name = next(
        (one.filename for one, _ in contents if re.fullmatch(r"[^/]+\.dist-info/METADATA", one.filename)), None
    )
    if name is None:
        sys.exit("the wheel has no METADATA")
    old = next(content for one, content in contents if one.filename == name)
    new = NEED.sub(without_paths, old.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if new == old:
        return
    record = os.path.dirname(name) + "/RECORD"
    with zipfile.ZipFile(path + ".new", "w") as wheel:
        for entry, content in contents:
            if entry.filename == name:
                content = new
            elif entry.filename == record:
                content = recorded(content, name, new)
            wheel.writestr(entry, content, compress_type=entry.compress_type)
    os.replace(path + ".new", path)


main(sys.argv[1])
