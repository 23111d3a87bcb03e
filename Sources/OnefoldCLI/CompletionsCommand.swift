import Posix

private let shells: [(name: String, script: @Sendable (CompletionTable) -> String)] = [
  ("bash", bashCompletions), ("zsh", zshCompletions), ("fish", fishCompletions),
]

let completionsCommand = Command(
  name: "completions",
  summary: "print a script that completes commands in a shell",
  discussion: """
    Prints a script for a shell that completes commands, options and their values.

      bash  onefold completions bash > ~/.local/share/bash-completion/completions/onefold
      zsh   onefold completions zsh > DIR/_onefold, in a directory DIR of $fpath
      fish  onefold completions fish > ~/.config/fish/completions/onefold.fish
    """,
  arguments: [Argument("SHELL", "bash, zsh or fish", .words(shells.map(\.name)))])

func runCompletions(_ arguments: Arguments) throws(Failure) {
  let name = try arguments.positionalWord(0)
  for shell in shells where shell.name == name { try writeData(shell.script(CompletionTable())) }
}

/// The table of commands as completions see it: `help`, `--version` and `--help` are commands here.
struct CompletionTable: Sendable {
  let commands: [Command]
  /// The words, other than command names, that can replace a command.
  let forms = generalForms.flatMap { ($0.short.map { [$0] } ?? []) + [$0.name] }
  /// The options allowed before the command.
  let leading = [Command.quietOption, Command.colorOption]

  init() {
    let all = OnefoldCLI.commands.map(\.command)
    let help = Command(
      name: "help", summary: "show help", discussion: "",
      optionalArgument: Argument("COMMAND", "a command", .words(all.map(\.name))))
    commands = all + [help]
  }

  /// The options of `--version`.
  static let versionOptions = ["--json"]

  /// The options of a command. `help` has none.
  func options(of command: Command) -> [Option] {
    command.name == "help" ? [] : command.allOptions
  }
}

/// Quotes a text in single quotes for a shell. `escape` replaces each quote inside.
func shellQuoted(_ text: String, escape: String = "'\\''") -> String {
  "'\(text.replacing("'", with: escape))'"
}
