"""Tools that look into a program from outside: OpenTelemetry and coverage, in a packed program that is isolated.

Needs PyPI for the packages of instrumentation-requirements.txt, which are kept in .build.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from spec_support import SpecCase, application, pack_command, pack_spec
from support import Onefile, run, succeed
from tool_packages import tool_environment

QUERY = """
import os, sqlite3, subprocess, sys
import helper

cursor = sqlite3.connect(":memory:").cursor()
cursor.execute("select 40 + 2")
print("answer", cursor.fetchone()[0], helper.NAME)
if len(sys.argv) > 1:
    command = [sys.executable, "-c", "import sitecustomize; print('child', sitecustomize.__file__)"]
    sys.stdout.write(subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout)
"""


class Instrumentation(SpecCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.tools = tool_environment("instrumentation")
        (cls.packages,) = (cls.tools.parent / "lib").glob("python*/site-packages")
        cls.automatic = cls.packages / "opentelemetry" / "instrumentation" / "auto_instrumentation"

    def packed(self, **launch: Any) -> Onefile:
        files = {"query.py": QUERY, "helper.py": "NAME = 'packed'\n"}
        # A directory of another one's helper must not come before the packed one.
        self.shadow = self.work / "shadow"
        self.shadow.mkdir()
        (self.shadow / "helper.py").write_text("NAME = 'shadow'\n")
        directory = application(
            self.work / "application", files, data=[{"source": "helper.py"}],
            launch={"script": "query.py", **launch},
        )  # fmt: skip
        return pack_spec(directory)

    def telemetry(self) -> dict[str, str]:
        return {
            "OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
            "PATH": f"{self.tools}:{os.environ['PATH']}",
        }  # fmt: skip

    def at(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "ONEFOLD_CACHE": os.fspath(self.cache)}

    def assertTraced(self, output: str) -> None:
        first, rest = output.split("\n", 1)
        self.assertEqual(first, "answer 42 packed")
        span = json.loads(rest)
        self.assertEqual((span["name"], span["attributes"]["db.statement"]), ("select", "select 40 + 2"))

    def test_telemetry_by_who_starts_the_program(self) -> None:
        packed = self.packed()
        places = f"{self.shadow}:{self.automatic}:{self.packages}"
        done = packed.launch(cache=self.cache, environment={**self.telemetry(), "ONEFOLD_PYTHONPATH": places})
        self.assertTraced(succeed(done).stdout.decode())

    def test_the_tool_alone_is_kept_out(self) -> None:
        packed = self.packed()
        done = run([self.tools / "opentelemetry-instrument", packed.path], environment=self.at(self.telemetry()))
        self.assertEqual(succeed(done).stdout, b"answer 42 packed\n")

    def test_telemetry_by_who_packs_it(self) -> None:
        packed = self.packed(**{"pass-variables": ["PYTHONPATH"]})
        environment = {**self.telemetry(), "PYTHONPATH": os.fspath(self.shadow)}
        # The tool puts its own directories before those of the variable.
        environment["PYTHONPATH"] += f":{self.packages}"
        done = run([self.tools / "opentelemetry-instrument", packed.path], environment=self.at(environment))
        self.assertTraced(succeed(done).stdout.decode())

    def test_coverage_of_program_and_children(self) -> None:
        packed = self.packed()
        hooks = self.work / "hooks"
        hooks.mkdir()
        (hooks / "sitecustomize.py").write_text("import coverage\ncoverage.process_startup()\n")
        settings = self.work / "coveragerc"
        settings.write_text(f"[run]\nparallel = true\ndata_file = {self.work}/data\n")
        environment = {
            "COVERAGE_PROCESS_START": os.fspath(settings), "ONEFOLD_PYTHONPATH": f"{hooks}:{self.packages}",
        }  # fmt: skip
        output = succeed(packed.launch("child", cache=self.cache, environment=environment)).stdout.decode()
        self.assertEqual(output.splitlines()[1:], [f"child {hooks}/sitecustomize.py"])
        self.assertEqual(len(list(Path(self.work).glob("data.*"))), 2)

    def test_a_variable_that_stays_anyway_is_refused(self) -> None:
        directory = application(
            self.work / "application", {"query.py": QUERY},
            launch={"script": "query.py", "pass-variables": ["PYTHONWARNINGS"]},
        )  # fmt: skip
        result = pack_command(directory, "--no-smoke")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"a launch leaves 'PYTHONWARNINGS' anyway", result.stderr)
