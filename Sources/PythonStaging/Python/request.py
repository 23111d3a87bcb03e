"""Asks a server that is starting, once.

usage: request.py port [PORT]                        prints a free port, or PORT; ends with 4 where PORT is taken
       request.py get URL STATUS CONTAINS SECONDS    ends with 0 where the answer is right, 1 where it is wrong, 3 where there
                                                     is none
"""

import socket
import sys
import urllib.error
import urllib.request


def get(url, status, contains, seconds):
    # A proxy of the environment has nothing to do with a server on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=float(seconds)) as answer:
            code, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        code, body = error.code, error.read()
    except (OSError, ValueError) as error:
        sys.stderr.write("%s: no answer: %s\n" % (url, getattr(error, "reason", error)))
        return 3
    text = body.decode("utf-8", "replace")
    if code == int(status) and contains in text:
        return 0
    sys.stderr.write("%s: answered with status %d: %s\n" % (url, code, text[:500]))
    return 1


def port(wanted="0"):
    with socket.socket() as listener:
        # As servers do, who may take a port of which a connection still waits to be forgotten.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", int(wanted)))
        except OSError as error:
            sys.stderr.write("port %s: %s\n" % (wanted, error.strerror))
            return 4
        print(listener.getsockname()[1])
        return 0


if sys.argv[1] == "port":
    sys.exit(port(*sys.argv[2:]))
else:
    sys.exit(get(*sys.argv[2:]))
