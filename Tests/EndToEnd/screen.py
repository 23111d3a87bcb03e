"""A display of a test: Xvfb, whose windows a test finds by their titles, types into and closes. Needs no window manager."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import unittest
import zlib
from pathlib import Path
from typing import Any, NamedTuple, Optional

from support import run


class Pixels(NamedTuple):
    width: int
    height: int
    #: Three bytes a pixel: red, green, blue.
    data: bytes

    def share(self, color: tuple[int, int, int]) -> float:
        """Of the pixels that have exactly this colour."""
        wanted = bytes(color)
        return sum(self.data[at : at + 3] == wanted for at in range(0, len(self.data), 3)) / (self.width * self.height)

    def write(self, path: Path) -> None:
        """As PNG (https://www.w3.org/TR/png-3)."""
        lines = (self.data[3 * self.width * y : 3 * self.width * (y + 1)] for y in range(self.height))
        parts = {
            b"IHDR": struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0),
            b"IDAT": zlib.compress(b"".join(b"\0" + line for line in lines)),
            b"IEND": b"",
        }
        chunks = (struct.pack(">I", len(p)) + t + p + struct.pack(">I", zlib.crc32(t + p)) for t, p in parts.items())
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


class Screen:
    """A display of 1024 by 768 pixels. `directory` must not exist."""

    def __init__(self, directory: Path) -> None:
        for name in ("Xvfb", "xdotool"):
            if shutil.which(name) is None:
                raise unittest.SkipTest(f"needs the program {name}")
        directory.mkdir()
        self.frame = directory / "Xvfb_screen0"
        reading, writing = os.pipe()
        # It would begin anew when its last client goes, and refuse clients meanwhile.
        options = ["-noreset", "-screen", "0", "1024x768x24", "-fbdir", directory, "-nolisten", "tcp"]
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), *options],
            pass_fds=(writing,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as number:
            # It writes the number when it takes clients.
            self.name = ":" + number.readline().strip()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()

    @property
    def environment(self) -> dict[str, str]:
        return {"DISPLAY": self.name}

    def tool(self, *arguments: str) -> str:
        return run(["xdotool", *arguments], environment=self.environment).stdout.decode().strip()

    def windows(self) -> dict[str, str]:
        """The titles of visible windows that have one, by the windows' numbers."""
        numbers = self.tool("search", "--onlyvisible", "--name", ".").split()
        return {number: self.tool("getwindowname", number) for number in numbers}

    def find(self, title: str, size: str = "") -> Optional[str]:
        """The number of the window whose title begins so, if it is visible and has the size."""
        for number, name in self.windows().items():
            if name.startswith(title) and f"Geometry: {size}" in self.tool("getwindowgeometry", number):
                return number
        return None

    def press(self, window: str, *keys: str) -> None:
        self.tool("windowfocus", "--sync", window, "key", *keys)

    def type(self, window: str, x: int, y: int, text: str) -> None:
        """Clicks at a place of the window, types, and presses Return."""
        self.tool("windowfocus", "--sync", window, "mousemove", "--window", window, str(x), str(y), "click", "1", "type", text)
        self.tool("key", "Return")

    def close(self, window: str) -> None:
        """As a window manager does for the user: by WM_DELETE_WINDOW (ICCCM 4.2.8.1)."""
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XInternAtom.restype = ctypes.c_ulong
        display = ctypes.c_void_p(x11.XOpenDisplay(self.name.encode()))
        protocols, delete = (x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
        event = ClientMessage(type=33, window=int(window), message_type=protocols, format=32)
        event.data[0] = delete
        x11.XSendEvent(display, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(event))
        x11.XCloseDisplay(display)

    def pixels(self) -> Pixels:
        """What is shown. The file has the form of xwd (X11/XWDFile.h)."""
        content = self.frame.read_bytes()
        header = struct.unpack(">25I", content[:100])
        size, width, height, line, colors = header[0], header[4], header[5], header[12], header[19]
        start = size + 12 * colors
        rows = bytearray()
        for y in range(height):
            row = content[start + y * line : start + y * line + 4 * width]
            shown = bytearray(3 * width)
            shown[0::3], shown[1::3], shown[2::3] = row[2::4], row[1::4], row[0::4]
            rows += shown
        return Pixels(width, height, bytes(rows))


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent, as long as an XEvent."""

    _fields_: Any = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 12),
    ]
