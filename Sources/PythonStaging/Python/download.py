"""Downloads argv[1] to the file argv[2], of which nothing is known but that its SHA-256 should be argv[3].

A download that ends early goes on where it ended, or starts again, three times in all. The last line of stderr says what
failed. Proxies and certificates are those of urllib: https_proxy, no_proxy, SSL_CERT_FILE. The exit status is 3 if this Python
can't download: it is too old, or has no TLS.
"""

import hashlib
import os
import socket
import sys
import time

try:
    import urllib.error
    import urllib.request

    if sys.argv[1].startswith("https:"):
        import ssl  # noqa: F401
except ImportError:
    sys.exit(3)

TIMEOUT = float(os.environ.get("ONEFOLD_DOWNLOAD_TIMEOUT") or 60)


class Truncated(Exception):
    pass


def fetch(url, target, offset):
    """Appends to target from offset, and returns its size."""
    request = urllib.request.Request(url, headers={"User-Agent": "onefold"})
    if offset:
        request.add_header("Range", "bytes=%d-" % offset)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        if offset and getattr(answer, "status", None) != 206:
            offset = 0
        length = answer.headers.get("Content-Length")
        target.seek(offset)
        target.truncate()
        end = offset + int(length) if length and length.isdigit() else None
        while True:
            chunk = answer.read(1 << 20)
            if not chunk:
                break
            target.write(chunk)
            offset += len(chunk)
    if end is not None and offset < end:
        raise Truncated("the download ended after %d of %d bytes" % (offset, end))


def reason(error):
    if isinstance(error, urllib.error.HTTPError):
        return "the server answers %d %s" % (error.code, error.reason)
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, socket.timeout) or isinstance(inner, TimeoutError):
        return "the server did not answer within %g seconds" % TIMEOUT
    if isinstance(inner, socket.gaierror):
        return "the host is unknown (%s): is this machine offline" % inner.strerror
    return str(inner) or type(inner).__name__


def main(url, path, wanted):
    with open(path, "w+b") as target:
        for attempt in range(3):
            if attempt:
                time.sleep(attempt)
            target.seek(0, os.SEEK_END)
            try:
                fetch(url, target, target.tell())
                break
            except urllib.error.HTTPError as error:
                # Another attempt helps neither who is not allowed nor who asks for what is not there.
                if attempt == 2 or (error.code < 500 and error.code not in (408, 416, 429)):
                    return reason(error)
                target.truncate(0)
            except Exception as error:
                if attempt == 2:
                    return reason(error)
        target.flush()
        target.seek(0)
        hasher = hashlib.sha256()
        for chunk in iter(lambda: target.read(1 << 20), b""):
            hasher.update(chunk)
        if hasher.hexdigest() != wanted:
            return "HASH " + hasher.hexdigest()
    return None


problem = main(*sys.argv[1:4])
if problem:
    sys.exit(problem.replace("\n", " "))
