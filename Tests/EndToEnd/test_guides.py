"""What docs/guides show is true: links, lines of specs, and code, which is run."""

from __future__ import annotations

import json
import os
import re
import shutil
import unittest
from pathlib import Path

from examples import EXAMPLES, GUIDES, free_port, node_program, pack_spec, packed_example
from support import REPOSITORY, Case, Onefile, executable, processes, run, succeed

#: The spec that a guide explains.
SPECS = {
    "cachibot.md": "cachibot",
    "django.md": "django",
    "langgraph-sidecar.md": "langgraph",
    "large-payloads.md": "heavy",
    "systemd.md": "notify",
}

#: Electron as far as the guide of Django uses it. The window shows the page on standard output, and how its splash screen changes.
ELECTRON = """
import { EventEmitter } from "node:events";

const events = new EventEmitter();
export const app = {
  requestSingleInstanceLock: () => true,
  whenReady: async () => {},
  on: (name, listener) => events.on(name, listener),
  quit() {
    let prevented = false;
    events.emit("before-quit", { preventDefault: () => { prevented = true; } });
    if (!prevented) console.log("quit");
  },
  exit: (status) => process.exit(status),
};
export class BrowserWindow {
  async loadURL(url) {
    this.page = await (await fetch(url)).text();
    if (url.startsWith("data:")) return;
    console.log(this.page);
    app.quit();
  }
  webContents = {
    executeJavaScript: (code) => {
      const element = {
        setAttribute: (name, value) => console.log(`${name}: ${value}`),
        removeAttribute: (name) => console.log(`no ${name}`),
      };
      const querySelector = (name) => (this.page.includes(`<${name}>`) ? element : null);
      new Function("document", code)({ querySelector });
    },
  };
}
export const dialog = { showErrorBox: (title, text) => console.log(`${title}: ${text}`) };
"""

#: Uses what the guide of CachiBot exports.
SHELL = """
const server = await start((told) => console.log(JSON.stringify(told)));
console.log(JSON.stringify([server.pid, await (await fetch(HEALTH)).json()]));
await stop(server);
console.log(server.signalCode);
"""


def blocks(guide: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.+?)```", (GUIDES / guide).read_text(), re.DOTALL)


class Text(unittest.TestCase):
    def test_links_lead_somewhere(self) -> None:
        wrong = []
        for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
            for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
                path, _, anchor = link.partition("#")
                target = page.parent / path if path else page
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    wrong.append(f"{page.relative_to(REPOSITORY)}: {link}")
        self.assertEqual(wrong, [])

    def test_lines_of_specs_are_those_of_the_example(self) -> None:
        for guide, example in SPECS.items():
            spec = (EXAMPLES / example / "onefold.toml").read_text()
            text = (GUIDES / guide).read_text()
            table = text.split("## The spec\n\n")[1].split("\n\n")[0]
            shown = re.findall(r"`(?:\[+[\w.]+\]+ )?([\w-]+) = ([^`]+)`", table)
            self.assertGreater(len(shown), 1, guide)
            for key, value in shown:
                with self.subTest(guide, line=f"{key} = {value}"):
                    self.assertRegex(spec, rf"(?m)^{key} = ")
                    if "…" in value:
                        for part in re.findall(r'"[^"]+"', value.split("…")[0]):
                            self.assertIn(part, spec)
                    else:
                        self.assertIn(f"{key} = {value}", spec)


    def test_variables_and_events_are_those_of_the_launch(self) -> None:
        launch = (REPOSITORY / "docs" / "launch.md").read_text()
        events = re.findall(r"^\| `(\w+)` \|", launch.partition("| event |")[2].partition("\n\n")[0], re.MULTILINE)
        self.assertIn("unpacking", events)
        known = launch + (REPOSITORY / "docs" / "command-line.md").read_text()
        for page in [REPOSITORY / "README.md", *GUIDES.glob("*.md")]:
            text = page.read_text()
            with self.subTest(page.name):
                named = set(re.findall(r"ONEFOLD_[A-Z_]*[A-Z]", text))
                self.assertEqual({name for name in named if f"`{name}`" not in known}, set())
                self.assertLessEqual(set(re.findall(r'"event":"(\w+)"', text)), set(events))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in kept}


class Shells(Case):
    """The code for Electron, run by Node.js as far as it goes there."""

    def setUp(self) -> None:
        super().setUp()
        self.program = node_program()

    def node(self, code: str, resource: str, onefile: Onefile) -> list[str]:
        """The lines that the code prints; the onefile is among the shell's resources."""
        if not (self.work / resource).is_symlink():
            (self.work / resource).symlink_to(onefile.path)
        (self.work / "package.json").write_text('{"type": "module"}')
        electron = self.work / "node_modules" / "electron"
        electron.mkdir(parents=True, exist_ok=True)
        (electron / "package.json").write_text('{"type": "module", "exports": "./index.js"}')
        (electron / "index.js").write_text(ELECTRON)
        place = json.dumps(os.fspath(self.work))
        (self.work / "main.js").write_text(f"process.resourcesPath = {place};\n{code}")
        environment = {"HOME": self.work / "home", "ONEFOLD_CACHE": self.cache}
        (self.work / "home").mkdir(exist_ok=True)
        result = succeed(run([self.program, "main.js"], cwd=self.work, environment=environment))
        left = [pid for pid in processes() if executable(pid).startswith(f"{self.cache}/")]
        self.assertEqual(left, [])
        return result.stdout.decode().splitlines()

    def test_the_shell_of_cachibot_starts_and_stops_the_server(self) -> None:
        [code] = blocks("cachibot.md", "js")
        self.assertEqual(code.count("const PORT = 5870;"), 1)
        code = code.replace("const PORT = 5870;", f"const PORT = {free_port()};")
        packed = packed_example("cachibot", "onefold.toml")
        *told, started, signal = self.node(code + SHELL, "cachibot", packed)
        self.assertEqual(json.loads(started)[1]["version"], "0.3.0")
        self.assertEqual(signal, "SIGTERM")
        events = [json.loads(line) for line in told]
        self.assertEqual((events[0]["event"], events[-1]), ("start", {"event": "ready", "unpacked": True}))
        self.assertEqual({event["event"] for event in events[1:-1]}, {"unpacking"})
        self.assertEqual(events[-2]["done"], events[-2]["total"])

    def test_the_shell_of_cachibot_shows_why_the_server_did_not_start(self) -> None:
        [code] = blocks("cachibot.md", "js")
        refused = self.work / "refused"
        shutil.copy(packed_example("notify", "onefold.toml").path, refused)
        with refused.open("r+b") as file:
            file.truncate(1_000_000)
        shell = "await start().catch((error) => console.log(error.message));"
        lines = self.node(code + shell, "cachibot", Onefile(refused, {}))
        self.assertRegex(lines[0], r"^onefold: .+")
        self.assertEqual(lines[1:], ["ended: 125"])

    def test_the_shell_of_django_shows_the_page_and_quits(self) -> None:
        [code] = blocks("django.md", "js")
        packed = packed_example("django", "onefold.toml")
        for launch in ("first", "warm"):
            with self.subTest(launch):
                lines = self.node(code, "notesdesk", packed)
                self.assertIn("  <h1>Notes</h1>", lines)
                self.assertEqual(lines[-1], "quit")
                # At the beginning, and when the server begins, nobody knows how long it takes.
                splash = lines[: lines.index("<!DOCTYPE html>")]
                self.assertEqual((splash[0], splash[-1]), ("no value", "no value"))
                values = [float(line.removeprefix("value: ")) for line in splash[1:-1]]
                self.assertEqual((values, values[-1:]), (sorted(values), [1.0] if launch == "first" else []))


class Translated(Case):
    def test_the_translated_spec_of_pyinstaller_packs_and_serves(self) -> None:
        [spec] = [block for block in blocks("from-pyinstaller.md", "toml") if "[app]" in block]
        files = {
            "onefold.toml": spec,
            "VERSION": "2.3.4\n",
            "requirements.txt": "",
            "frontend/dist/index.html": "<!DOCTYPE html>",
            "server.py": (EXAMPLES / "notify" / "server.py").read_text(),
        }
        project = self.work / "project"
        for name, text in files.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text)
        (project / "vendor").mkdir()
        shutil.copy("/bin/true", project / "vendor" / "vec0.so")
        packed = pack_spec(project, self.work / "server")
        self.assertEqual(packed.summary["smoke"]["requests"], 1)
        result = packed.launch("--version", cache=self.cache)
        self.assertSucceeded(result, b"notify 2.3.4\n")
        root = packed.site(self.cache)
        for name in ("VERSION", "frontend/index.html", "vendor/vec0.so"):
            self.assertTrue((root / name).is_file(), name)


if __name__ == "__main__":
    unittest.main()
