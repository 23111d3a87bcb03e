"""Where the data are; apart from the settings, which read what lies there."""

from __future__ import annotations

import os
from pathlib import Path


def data_directory() -> Path:
    """In the user's data directory: the unpacked tree is a cache, and is replaced."""
    data_home = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(data_home) if os.path.isabs(data_home) else Path.home() / ".local/share"
    return base / "notesdesk"
