"""What a packed interpreter does before anything else: docs/spec.md, `launch.pyinstaller`."""

import os
import sys

# Where the TLS library of the build machine looks for authorities; elsewhere they are at other places.
_CERTIFICATES = (@CAFILE@, @CAPATH@)
_OTHER_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def _find_certificates():
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    if any(path and os.path.exists(path) for path in _CERTIFICATES):
        return
    for path in _OTHER_CERTIFICATES:
        if os.path.exists(path):
            os.environ["SSL_CERT_FILE"] = path
            return


class _SpawnFinder:
    """Lets multiprocessing start its children although `sys.frozen` is set.

    For a frozen program it would call `sys.executable --multiprocessing-fork`, which is right for
    PyInstaller, whose sys.executable is the program. Here it is the interpreter.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "multiprocessing.spawn":
            return None
        from importlib.machinery import PathFinder

        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                module.get_command_line = lambda **given: _command_line(module, given)

            spec.loader.exec_module = exec_module
        return spec


def _command_line(spawn, given):
    from multiprocessing.util import _args_from_interpreter_flags

    values = ", ".join("%s=%r" % item for item in given.items())
    program = "from multiprocessing.spawn import spawn_main; spawn_main(%s)" % values
    options = _args_from_interpreter_flags()
    return [spawn.get_executable(), *options, "-c", program, "--multiprocessing-fork"]


def _be_frozen():
    sys.frozen = True
    sys._MEIPASS = os.path.dirname(os.path.abspath(__file__))
    sys.meta_path.insert(0, _SpawnFinder())


_find_certificates()
if @FROZEN@:
    _be_frozen()
