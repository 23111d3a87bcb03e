"""`onefold completions`, asked in the shells themselves."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import time
import unittest
from pathlib import Path
from typing import Any, NamedTuple

from support import PATIENCE, Case, needs_program, onefold, run, succeed

#: Values that are a choice, by the command and the option or the argument's number, and what else a value may be.
CHOICES = {
    ("pack", "--codec"): "zstd xz store",
    ("pack", "--check"): "seal dirs files full",
    ("pack", "--die-with-parent"): "kill term",
    ("bench", "--page-cache"): "warm drop",
    ("cache", "0"): "list prune clear",
    ("completions", "0"): "bash zsh fish",
}
DIRECTORIES = [("pack", "--tree"), ("pack", "--cache"), ("cache", "--cache"), ("bench", "--directory")]
DIRECTORIES += [("init", "0"), ("extract", "1")]
FILES = [("pack", "--spec"), ("pack", "--output"), ("pack", "-o"), ("pack", "--bootloader")]
FILES += [("bench", "--baseline"), ("bench", "--html"), ("inspect", "0"), ("verify", "0")]
FILES += [("extract", "0"), ("bench", "0"), ("bench", "2"), ("bench", "--against")]


class Table(NamedTuple):
    """The commands with their options, as the help shows them."""

    options: dict[str, dict[str, bool]]
    forms: list[str]

    @staticmethod
    def read() -> Table:
        overview = help_of("--help")
        names = re.findall(r"^  ([a-z]+)  ", overview.split("COMMANDS:")[1].split("OPTIONS:")[0], re.M)
        forms = list(options(overview))
        return Table({name: options(help_of(name, "--help")) for name in names}, forms)


def help_of(*arguments: str) -> str:
    return succeed(onefold(*arguments)).stdout.decode()


def options(text: str) -> dict[str, bool]:
    """Every name of an option, and whether a value follows."""
    result = {}
    for line in re.findall(r"^  (-.+?)(?:  |$)", text.split("OPTIONS:")[1], re.M):
        names = re.findall(r"(?:^|, )(-[\w-]+)", line)
        result.update(dict.fromkeys(names, " " in line.split(", ")[-1]))
    return result


class Shell(Case):
    """What is asked of each shell."""

    name = ""

    def setUp(self) -> None:
        super().setUp()
        self.place = self.work / "place"
        for directory in ("some dir", "other"):
            (self.place / directory).mkdir(parents=True)
        for name in ("some file", "server"):
            (self.place / name).touch()
        self.home = self.work / "home"
        self.home.mkdir()
        self.script = self.work / f"{self.name}-completions"
        self.script.write_bytes(succeed(onefold("completions", self.name)).stdout)

    def ask(self, line: str) -> list[str]:
        """What the last word of the line may become."""
        raise NotImplementedError

    def offered(self, *words: str) -> list[str]:
        return sorted(self.ask(" ".join(["onefold", *words])))

    def test_commands(self) -> None:
        table = Table.read()
        self.assertGreater(len(table.options), 8)
        self.assertEqual(self.offered(""), sorted([*table.options, "help"]))
        self.assertEqual(self.offered("--quiet", "ver"), ["verify"])
        self.assertEqual(self.offered("--color", "never", "ver"), ["verify"])
        self.assertEqual(self.offered("help", ""), sorted(table.options))
        self.assertLessEqual({name for name in table.forms if name.startswith("--")}, set(self.offered("--")))
        self.assertLessEqual({name for name in table.forms if name[1] != "-"}, set(self.offered("-")))
        self.assertEqual(self.offered("--version", "--j"), ["--json"])

    def test_every_option_of_every_command(self) -> None:
        for command, known in Table.read().options.items():
            with self.subTest(command):
                long = sorted(name for name in known if name.startswith("--"))
                self.assertEqual(self.offered(command, "--"), long)
                short = {name for name in known if not name.startswith("--")}
                self.assertLessEqual(short, set(self.offered(command, "-")))

    def test_choices(self) -> None:
        for (command, place), words in CHOICES.items():
            with self.subTest(command, place=place):
                start = [place] if place.startswith("-") else []
                self.assertEqual(self.offered(command, *start, ""), sorted(words.split()))
                first = words.split()[0]
                self.assertEqual(self.offered(command, *start, first[:2]), [first])
        for start in (["pack"], ["--quiet", "pack"], ["bench", "server", "x"]):
            self.assertEqual(self.offered(*start, "--color", "a"), ["always", "auto"])
        self.assertEqual(self.offered("pack", "--codec=x"), [self.joined("--codec", "xz")])

    def joined(self, option: str, value: str) -> str:
        return f"{option}={value}"

    def test_files_and_directories(self) -> None:
        directories, everything = ["other", "some dir"], ["other", "server", "some dir", "some file"]
        for places, found in ((DIRECTORIES, directories), (FILES, everything)):
            for command, place in places:
                with self.subTest(command, place=place):
                    start = [place] if place.startswith("-") else ["x"] * int(place)
                    self.assertEqual(self.paths(command, *start, ""), found)
        self.assertEqual(self.paths("pack", "--tree", "t", "--", "-x", ""), everything)
        self.assertEqual(self.paths("bench", "server", "--", "ser"), ["server"])

    def test_where_nothing_may_follow(self) -> None:
        for words in (["inspect", "x", ""], ["pack", "--level", ""], ["man", ""], ["cache", "list", ""]):
            with self.subTest(words):
                # zsh offers options if there is nothing else.
                self.assertEqual([word for word in self.offered(*words) if word[0] != "-"], [])

    def paths(self, *words: str) -> list[str]:
        return [name.rstrip("/").replace("\\ ", " ") for name in self.offered(*words)]


class Bash(Shell):
    name = "bash"

    def ask(self, line: str) -> list[str]:
        # As readline splits it: also at '=', which is a word.
        words = [word for word in re.split(r"\s|(=)", line) if word is not None]
        words = [word for word in words[:-1] if word] + [words[-1]]
        listed = " ".join(map(shlex.quote, words))
        # `compopt` works only where readline completes.
        script = f"""
            compopt() {{ :; }}
            . {shlex.quote(os.fspath(self.script))}
            [[ $(complete -p onefold) == "complete -F __onefold onefold" ]] || exit 3
            COMP_WORDS=({listed}) COMP_CWORD={len(words) - 1}
            __onefold
            [[ ${{#COMPREPLY[@]}} -eq 0 ]] || printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        result = run(["bash", "--norc", "-u", "-c", script], cwd=self.place, environment={"HOME": self.home})
        self.assertSucceeded(result)
        return result.stdout.decode().splitlines()

    def joined(self, option: str, value: str) -> str:
        return value

    def test_a_real_line_is_completed(self) -> None:
        """Readline quotes names, and goes on after '='."""
        for typed, line in (
            ("onefold pack --spec some\\ f\t", "onefold pack --spec some\\ file"),
            ("onefold pack --codec=x\t", "onefold pack --codec=xz"),
            ("onefold ext\t", "onefold extract"),
        ):
            with self.subTest(typed):
                with Terminal(["bash", "--norc", "--noprofile", "-i"], self.place, self.home) as terminal:
                    terminal.type(f"PS1='>'; bind 'set enable-bracketed-paste off'; . {self.script}; echo rea''dy\n")
                    terminal.until("ready\r\n")
                    # From the beginning and the end of the completed line: it becomes a text to print.
                    terminal.type(f"{typed}\x01echo '[\x05]'; echo en''d\n")
                    self.assertIn(f"\n[{line} ]\r\n", terminal.until("end\r\n"))


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], directory: Path, home: Path, **variables: str) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            environment = {"PATH": os.environ["PATH"], "HOME": os.fspath(home), "TERM": "dumb"}
            os.execvpe(command[0], command, {**environment, **variables})
        self.seen = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: Any) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, wanted: str) -> str:
        """What it showed until that."""
        end = time.monotonic() + PATIENCE
        while wanted not in self.seen:
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"{wanted!r} did not come; there is {self.seen!r}")
            self.seen += os.read(self.terminal, 65536).decode()
        shown, _, self.seen = self.seen.partition(wanted)
        return shown + wanted


#: Writes what completion offers to a file.
ZSH = r"""
PS1= RPS1= fpath=($PLACE $fpath)
autoload -Uz compinit && compinit -u -d $PLACE/dump
unsetopt auto_list auto_menu list_beep beep
compadd() {
  # With these, completion functions only ask what matches.
  if [[ ${@[1,(i)(-|--)]} == *-[OAD]* ]]; then builtin compadd "$@"; return; fi
  local -a found
  builtin compadd -A found "$@"
  (( $#found )) && print -rl -- $IPREFIX$^found >> $PLACE/answer
  builtin compadd "$@"
}
ask() { BUFFER=$(<$PLACE/line) CURSOR=$#BUFFER; zle complete-word; BUFFER=; print -r -- do''ne; }
zle -N ask && bindkey '^X' ask
print rea''dy
"""


@needs_program("zsh")
class Zsh(Shell):
    name = "zsh"

    def setUp(self) -> None:
        super().setUp()
        functions = self.work / "functions"
        functions.mkdir()
        self.script.rename(functions / "_onefold")
        (functions / "setup").write_text(ZSH)
        self.functions, self.answer = functions, functions / "answer"
        self.terminal = Terminal(["zsh", "-f", "-i"], self.place, self.home, PLACE=os.fspath(functions))
        self.addCleanup(self.terminal.__exit__)
        self.terminal.type(f". {functions}/setup\n")
        self.terminal.until("ready")

    def ask(self, line: str) -> list[str]:
        (self.functions / "line").write_text(line)
        self.answer.write_text("")
        self.terminal.type("\x18")
        self.terminal.until("done")
        return sorted(set(filter(None, self.answer.read_text().splitlines())))


@needs_program("fish")
class Fish(Shell):
    name = "fish"

    def ask(self, line: str) -> list[str]:
        script = f"source {shlex.quote(os.fspath(self.script))}; complete -C {shlex.quote(line)}"
        result = run(["fish", "--no-config", "-c", script], cwd=self.place, environment={"HOME": self.home})
        self.assertSucceeded(result)
        return [text.split("\t")[0] for text in result.stdout.decode().splitlines()]


del Shell

if __name__ == "__main__":
    unittest.main()
