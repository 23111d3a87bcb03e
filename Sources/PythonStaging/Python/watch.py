"""Notes what a tested program writes below its own root, and which shared libraries from outside of it are mapped when it ends.

The packer has the interpreter of the unpacked tree execute this first, while smoke tests run; no packed file holds it. LOG gets lines
"writes PATH<tab>FILE:LINE...", the path from the root and where it was written from, innermost first, and "library PATH".
"""


def _watch():
    import atexit
    import os
    import sys

    log = bytes.fromhex("@LOG@")
    root = os.path.realpath(sys.prefix) + os.sep
    roots = (root, sys.prefix + os.sep)
    site = root + @SITE@ + os.sep
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def say(text):
        line = os.fsencode(text.replace("\n", "?") + "\n")
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def below_root(path):
        """The path from the root; None if it is elsewhere."""
        path = os.fsdecode(path)
        path = os.path.normpath(path) if path.startswith(os.sep) else os.path.abspath(path)
        for place in roots:
            if path.startswith(place):
                return path[len(place) :]
        return None

    def writers():
        """The lines of code that is not the standard library's, innermost first."""
        frame = sys._getframe(2)
        found = []
        while frame is not None and len(found) < 40:
            name = frame.f_code.co_filename
            if name.startswith(site) and not os.path.basename(name).startswith("_onefold_"):
                found.append("%s:%d" % (name[len(site) :].replace("\t", "?"), frame.f_lineno))
            frame = frame.f_back
        return found

    def note(event, arguments):
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & writes:
                return
            path = arguments[0]
        elif event in ("os.mkdir", "sqlite3.connect"):
            path = arguments[0]
        elif event in ("os.rename", "os.link", "os.symlink"):
            path = arguments[1]
        else:
            return
        try:
            if isinstance(path, int):
                return
            if event == "sqlite3.connect" and os.fsdecode(path).startswith("file:"):
                path = os.fsdecode(path)[5:].partition("?")[0]
            path = below_root(path)
            if path is not None:
                say("writes " + "\t".join([path.replace("\t", "?")] + writers()))
        except Exception:
            pass

    def note_libraries():
        try:
            with open("/proc/self/maps", errors="surrogateescape") as maps:
                lines = [line.rstrip("\n").split(None, 5) for line in maps]
            paths = {line[5] for line in lines if len(line) > 5 and "x" in line[1] and line[5][0] == "/"}
            for path in sorted(paths):
                if not path.startswith(root):
                    say("library " + path)
        except Exception:
            pass

    sys.addaudithook(note)
    atexit.register(note_libraries)


_watch()
del _watch
