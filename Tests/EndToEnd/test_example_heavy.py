"""docs/examples/heavy with one of its libraries; tools/bench packs all of them."""

from __future__ import annotations

import unittest

from examples import Example
from support import Case


class HeavySmall(Example, Case):
    folder = "heavy"
    spec = "onefold-small.toml"
    name = "heavy-small"
    version = "1.0.0"

    def test_a_library_is_imported_by_the_first_request_that_needs_it(self) -> None:
        server = self.serve()
        self.assertEqual(self.assertHealthy(server)["loaded"], [])
        self.assertEqual(server.request("GET", "/api/engines").json, ["pandas"])
        ran = server.request("POST", "/api/engines/pandas").json
        self.assertEqual((ran["engine"], ran["result"]), ("pandas", {"a": 4, "b": 2}))
        self.assertEqual(self.assertHealthy(server)["loaded"], ["pandas"])
        self.assertEqual(server.request("POST", "/api/engines/jax").status, 404)
        self.assertEqual(server.end(), 0)
        self.assertTreeUnchanged()

    def test_its_check_runs_the_engines_that_are_there(self) -> None:
        self.assertSucceeded(self.launch("--check"), b"pandas: {'a': 4, 'b': 2}\n")

    def test_the_port_that_is_taken_is_named_in_the_last_line(self) -> None:
        first = self.serve()
        second = self.begin("--port", str(first.port))
        self.assertEqual(second.process.wait(timeout=60), 3)
        self.assertRegex(second.last_lines()[-1], rb"\Aheavy: .*the port is taken; ")
        self.assertEqual(first.end(), 0)


if __name__ == "__main__":
    unittest.main()
