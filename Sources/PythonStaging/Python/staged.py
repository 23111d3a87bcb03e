"""Prints what staging must know of a staged interpreter, a line "name value" each."""

import os
import site
import sys


def line(name, value):
    sys.stdout.buffer.write(os.fsencode("%s %s\n" % (name, value or "")))


root = os.path.realpath(sys.prefix) + os.sep
places = [os.path.realpath(place) for place in site.getsitepackages()]
inside = [place for place in places if place.startswith(root)]
# Where pip and uv install to comes first; Debian's interpreters have no site-packages.
named = [place for place in inside if place.endswith("site-packages")]
line("version", "%d.%d.%d" % sys.version_info[:3])
line("site", (named or inside or [""])[0])
try:
    import ssl

    paths = ssl.get_default_verify_paths()
    line("cafile", paths.openssl_cafile)
    line("capath", paths.openssl_capath)
except ImportError:
    pass
