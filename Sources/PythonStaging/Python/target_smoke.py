"""Runs the spec's smoke tests on a machine that the file was packed for, because the packer's machine could not.

usage: python3 -IBm _onefold_smoke FILE
"""

import os
import re
import subprocess
import sys
import tempfile
import time

TIMEOUT = @TIMEOUT@
FUNCTION = @FUNCTION@
IMPORTS = @IMPORTS@
SKIPPED = @SKIPPED@
# Whether the spec leaves distributions out.
EXCLUDES = @EXCLUDES@
VARIABLES = @VARIABLES@
#: Arguments, the exit status and what is printed.
COMMANDS = @COMMANDS@
#: Arguments, variables, path, status and what the answer contains; None where nothing is asked.
HTTP = @HTTP@

LIST_DISTRIBUTIONS = @LIST_DISTRIBUTIONS@
IMPORT = @IMPORT@
REQUEST = @REQUEST@


class Failure(Exception):
    pass


def last_lines(output):
    lines = output.decode("utf-8", "replace").splitlines()[-20:]
    return "".join("\n  " + line for line in lines)


class SmokeTest:
    def __init__(self, file, scratch):
        self.file = os.path.realpath(file)
        self.scratch = scratch
        home = os.path.join(scratch, "home")
        os.mkdir(home)
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("ONEFOLD")},
            **{"ONEFOLD_CACHE": os.path.join(scratch, "cache"), "HOME": home},
            **{"XDG_CACHE_HOME": home + "/.cache", "XDG_CONFIG_HOME": home + "/.config"},
            **{"XDG_DATA_HOME": home + "/.local/share", "XDG_STATE_HOME": home + "/.local/state"},
        }
        prewarm = self.run([self.file], {"ONEFOLD": "prewarm"}, timeout=600)
        if prewarm.returncode:
            raise Failure("the file does not unpack itself:" + last_lines(prewarm.stderr))
        self.tree = os.fsdecode(prewarm.stdout.splitlines()[0])

    def options(self, more):
        return {"env": {**self.environment, **more}, "cwd": self.environment["HOME"]}

    def run(self, command, more, timeout):
        """Its standard output and standard error."""
        try:
            return subprocess.run(
                command, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL,
                **self.options(more)
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Failure("%s takes longer than %s s" % (command, error.timeout)) from None

    def python(self, source, *arguments, timeout=600):
        own = os.path.join(self.tree, os.path.relpath(sys.executable, sys.prefix))
        values = {"root": self.tree, "exe": self.file}
        more = {name: fill(value, values) for name, value in VARIABLES}
        return self.run([own, "-I", "-B", "-c", source, *arguments], more, timeout)

    def import_one(self, name):
        """Why a module can't be imported, or nothing, and the module that it lacks, if that is why."""
        result = self.python(IMPORT, str(TIMEOUT), name, timeout=TIMEOUT + 60)
        lines = result.stdout.decode("utf-8", "replace").splitlines()
        if lines[1:] == ["ok"]:
            return None, None
        if lines[1:] and lines[1].startswith("lacks "):
            _, lacking, why = lines[1].split(" ", 2)
            return "%s: %s" % (name, why), lacking
        said = " ".join(lines[1:]) or "the interpreter ended with status %d" % result.returncode
        return "%s: %s%s" % (name, said, last_lines(result.stderr) if not lines[1:] else ""), None

    def import_all(self, site):
        listed = self.python(LIST_DISTRIBUTIONS, site).stdout.decode().splitlines()
        found, local, current = {}, set(), ""
        for line in listed:
            word, _, rest = line.partition(" ")
            if word == "distribution":
                current = rest.partition(" ")[0]
            elif word == "local":
                local.add(current)
            elif word == "top":
                found[rest] = current
        tops = {name.partition(".")[0] for name in found}
        problems, count = [], 0
        for name in sorted(set(found) - set(SKIPPED)):
            problem, lacking = self.import_one(name)
            if lacking and not EXCLUDES and found[name] not in local and lacking not in tops:
                print("warning: " + problem)
            elif problem:
                problems.append(problem)
            else:
                count += 1
        if problems:
            raise Failure("modules that can't be imported: %d\n%s" % (len(problems), "\n".join(problems)))
        return count

    def command(self, arguments, status, output):
        result = self.run([self.file, *arguments], {}, TIMEOUT)
        text = " ".join(arguments)
        said = last_lines(result.stdout + result.stderr)
        if result.returncode != status:
            raise Failure(
                "'%s' should end with status %d: it ended with %d%s"
                % (text, status, result.returncode, said)
            )
        if output.encode() not in result.stdout and output.encode() not in result.stderr:
            raise Failure("'%s' does not print '%s':%s" % (text, output, said))

    def request(self, arguments, variables, path, status, contains, wanted):
        found = self.python(REQUEST, "port", *([str(wanted)] if wanted else []))
        port = found.stdout.decode().strip()
        if found.returncode:
            raise Failure("no port for the server:" + last_lines(found.stderr))
        more = {name: fill(value, {"port": port}) for name, value in variables}
        command = [self.file, *(fill(one, {"port": port}) for one in arguments)]
        with open(os.path.join(self.scratch, "server.log"), "w+b") as log:
            server = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self.options(more)
            )
            try:
                problem = self.poll(server, "http://127.0.0.1:%s%s" % (port, path), status, contains)
                server.terminate()
                server.wait(10)
            except subprocess.TimeoutExpired:
                problem = "it did not end within 10 s after SIGTERM"
            finally:
                server.kill()
                server.wait()
            log.seek(0)
            if problem:
                raise Failure("the server: " + problem + last_lines(log.read()))

    def poll(self, server, url, status, contains):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if server.poll() is not None:
                return "it ended with status %d" % server.returncode
            left = str(max(1, int(end - time.monotonic())))
            answer = self.python(REQUEST, "get", url, str(status), contains, left)
            if answer.returncode == 0:
                return None
            if answer.returncode != 3:
                return last_lines(answer.stderr).strip()
            time.sleep(0.1)
        return "no answer within %d s" % TIMEOUT


def fill(text, values):
    for name, value in values.items():
        text = text.replace("{%s}" % name, value)
    return re.sub(r"{env:(\w+)}", lambda found: os.environ.get(found.group(1), ""), text)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -IBm _onefold_smoke FILE")
    with tempfile.TemporaryDirectory(prefix="onefold-smoke-") as scratch:
        try:
            test = SmokeTest(sys.argv[1], scratch)
            problem = test.import_one(FUNCTION)[0] if FUNCTION else None
            if problem:
                raise Failure("the function that is launched: " + problem)
            site = os.path.join(test.tree, os.path.relpath(os.path.dirname(__file__), sys.prefix))
            imports = test.import_all(site) if IMPORTS else 0
            for command in COMMANDS:
                test.command(*command)
            if HTTP:
                test.request(*HTTP)
        except Failure as failure:
            sys.exit("smoke test: %s" % failure)
    tested = [(imports, "import"), (len(COMMANDS), "command"), (1 if HTTP else 0, "request")]
    print("tested: " + ", ".join("%d %s%s" % (n, noun, "" if n == 1 else "s") for n, noun in tested))


main()
