"""A headless browser of a test: Debian's chromium, driven through the DevTools protocol by clicks and keys.

The protocol (https://chromedevtools.github.io/devtools-protocol) runs over two pipes, so it needs no port and no package.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any, NamedTuple, Optional

from support import IS_ROOT, PATIENCE

#: Names of keys, and their codes in Windows, which the protocol wants.
KEYS = {
    "Enter": 13, "Escape": 27, "Backspace": 8, "Tab": 9, "Home": 36, "End": 35, " ": 32,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


def browser_program() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise unittest.SkipTest("needs the program chromium")
    return found


class Point(NamedTuple):
    x: float
    y: float


class Browser:
    """A process with one page. It has no network."""

    def __init__(self, directory: Path) -> None:
        """`directory` must not exist. It holds the profile."""
        directory.mkdir()
        command = [
            browser_program(), "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={directory}",
            "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
            "--disable-background-networking", "--disable-smooth-scrolling", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1300,1000",
            *(["--no-sandbox"] if IS_ROOT else []), "about:blank",
        ]  # fmt: skip
        pipes = [os.pipe(), os.pipe()]
        # Numbers that `dup2` below does not overwrite.
        (theirs_in, ours_out), (ours_in, theirs_out) = (tuple(above_ten(fd) for fd in pair) for pair in pipes)

        def connect() -> None:
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(directory), "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(3, 4), preexec_fn=connect,
                start_new_session=True,
            )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.incoming, self.outgoing = ours_in, ours_out
        self.buffer = b""
        self.number = 0
        self.session: Optional[str] = None
        #: Requests of the page, by URL.
        self.requests: list[str] = []
        #: What the console says, and exceptions.
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(timeout=20)
        except (AssertionError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.incoming)
        os.close(self.outgoing)

    # The protocol

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.outgoing, data) :]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]

    def receive(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.incoming], [], [], max(0, end - time.monotonic()))
            data = os.read(self.incoming, 1 << 20) if ready else b""
            if not data:
                raise AssertionError(f"the browser does not answer: {self.log.read_text()[-2000:]}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(line)
        self.note(message.get("method", ""), message.get("params", {}))
        return message

    def note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.problems.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.problems.append(str(parameters["args"]))

    # The page

    def open(self, path: Path) -> None:
        self.requests.clear()
        self.problems.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def evaluate(self, code: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, allowUnsafeEvalBlockedByCSP=False)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{code}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, code: str) -> Any:
        """The first true value of the code."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            value = self.evaluate(code)
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"in vain waited for {code}; the page says {self.problems}")

    def text(self, selector: str) -> str:
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")

    def texts(self, selector: str) -> list[str]:
        """Of all that match and are shown."""
        return self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.offsetParent !== null).map(e => e.textContent)"
        )

    def middle(self, element: str) -> Point:
        """Of the element that the code gives, which is scrolled into view."""
        found = self.evaluate(
            f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            " return [r.left + r.width / 2, r.top + r.height / 2]; })()"
        )
        return Point(*found)

    def click(self, element: str) -> None:
        """Moves the mouse to the element that the code gives, and clicks."""
        point = self.middle(element)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=point.x, y=point.y, **button)

    def press(self, key: str, times: int = 1) -> None:
        text = {"Enter": "\r", " ": " "}.get(key)
        for _ in range(times):
            code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
            self.call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def type(self, text: str) -> None:
        for character in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", key=character, text=character)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=character)

    def prefer(self, scheme: str) -> None:
        """ "light" or "dark"."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(image["data"]))

    def roles(self) -> list[tuple[str, str]]:
        """Role and name of what assistive technology is shown."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if not node["ignored"]]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]

    def widest(self) -> str:
        """What makes the page wider than the window; empty if nothing does."""
        return self.evaluate(
            """(() => { const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return "";
            const scrolls = (e) => e && (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
            const wide = [...document.querySelectorAll("body *")].filter(e =>
              e.getBoundingClientRect().right > root.clientWidth + 1 && !scrolls(e.parentElement));
            return wide.map(e => e.outerHTML.slice(0, 100)).join("; ") || "the body"; })()"""
        )

    def lowest_contrast(self) -> tuple[float, str]:
        """Of texts to what is behind them (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), and the text."""
        return tuple(self.evaluate(CONTRAST))


CONTRAST = """(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = channels(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  let worst = [21, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    const element = text.parentElement;
    if (!text.data.trim() || element.offsetParent === null || element.closest("svg")) continue;
    const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, text.data];
  }
  return worst;
})()"""


def above_ten(descriptor: int) -> int:
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return copy
