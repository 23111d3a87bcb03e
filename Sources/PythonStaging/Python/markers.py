"""Makes the functions that environment markers are defined by (PEP 508) tell of another target. What imports this file has them
replaced: pip evaluates its own interpreter's markers, whatever --platform and --python-version say.

The text is put in front of what is run, with the target in these names:
"""

import platform as _platform

_MACHINE = @MACHINE@
_VERSION = @VERSION@

_platform.machine = lambda: _MACHINE
_platform.python_version = lambda: _VERSION
_platform.python_version_tuple = lambda: tuple(_VERSION.split("."))
