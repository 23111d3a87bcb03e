"""The shell's process: Tauri with its plugins. The rest, src-tauri and ui, is what an application in Rust has as well."""

import sys
from pathlib import Path

from pytauri import AppHandle, Manager
from pytauri_plugins import shell, single_instance
from pytauri_wheel.lib import builder_factory, context_factory


def show_window(app: AppHandle, arguments: list[str], directory: str) -> None:
    """Another start of the application has ended itself, and the user wants to see this one."""
    for label in ("page", "splash"):
        window = Manager.get_webview_window(app, label)
        if window and window.is_visible():
            window.unminimize()
            window.set_focus()
            return


def main() -> int:
    # In the unpacked tree when packed, else beside this script.
    root = Path(getattr(sys, "_MEIPASS", Path(__file__).resolve().parent))
    app = builder_factory().build(
        context=context_factory(root / "src-tauri"),
        invoke_handler=None,
        plugins=[single_instance.init(show_window), shell.init()],
    )
    return app.run_return()


if __name__ == "__main__":
    sys.exit(main())
