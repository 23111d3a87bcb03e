import Posix

let manCommand = Command(
  name: "man",
  summary: "print the manual page",
  discussion: """
    Prints onefold(1), the manual page of all commands, in the language of man(7).

      onefold man | man -l -
      onefold man > /usr/local/share/man/man1/onefold.1
    """)

func runMan(_ arguments: Arguments) throws(Failure) {
  let now = WallClock.seconds(since: FileTime(seconds: 0, nanoseconds: 0))
  try writeData(manualPage(date: String(utcText(try sourceDateEpoch() ?? now).prefix(10))))
}

/// Environment variables that commands read, as docs/command-line.md lists them.
let environmentVariables: [(name: String, meaning: String)] = [
  ("ONEFOLD_BOOTLOADER", "The bootloader that pack uses, unless --bootloader is given."),
  (
    "ONEFOLD_PACK_CACHE",
    "The packer's cache directory, unless --cache or --no-cache is given."
  ),
  ("ONEFOLD_REMOTE_CACHE", "The URL of the remote cache of pack, unless --remote-cache is given."),
  (
    "ONEFOLD_REMOTE_CACHE_READ_ONLY",
    "If set and not empty, pack adds nothing to the remote cache."
  ),
  (
    "ONEFOLD_PYTHON_MIRROR",
    "Replaces the scheme and host of the URL of an interpreter's archive."
  ),
  (
    "ONEFOLD_DOWNLOAD_TIMEOUT",
    "Seconds without an answer after which a download has failed; default: 60."
  ),
  (
    "ONEFOLD_KEY_PASSWORD",
    "The password of the secret key of keygen and sign, unless --password-fd is given."
  ),
  ("ONEFOLD_CACHE", "The cache directory that cache looks at, unless --cache is given."),
  (
    "SOURCE_DATE_EPOCH",
    "Seconds since 1970. The command pack sets later times of files to it, and sign writes it "
      + "into signatures."
  ),
  ("NO_COLOR", "If set and not empty, messages have no colors."),
  (
    "FORCE_COLOR, CLICOLOR_FORCE",
    "If set, not empty and not 0, messages have colors without a terminal too. NO_COLOR overrides "
      + "both, and --color overrides all."
  ),
  ("TERM", "If dumb or not set, messages have no colors."),
]

let exitCodes: [(code: Int32, meaning: String)] = [
  (ExitCode.success, "The command has succeeded."),
  (ExitCode.failure, "The command has failed. It left nothing behind."),
  (ExitCode.usage, "The command line was not understood. Nothing was done."),
]

/// The page onefold(1), with every command, its arguments and options. `date` is such as "2026-11-28".
func manualPage(date: String) -> String {
  var page = ManualPage()
  page.request(".TH ONEFOLD 1 \"\(date)\" \"onefold \(version)\" \"Onefold\"")
  page.section("NAME")
  page.request("onefold \\- pack a server into one executable file")
  page.section("SYNOPSIS")
  page.request(".B onefold")
  page.text("COMMAND [options]")
  page.section("DESCRIPTION")
  page.text(programDescription)
  page.request(".PP")
  page.text(
    "The packed file obeys ONEFOLD and other environment variables when it is launched; set "
      + "ONEFOLD=help to see them.")
  page.section("OPTIONS")
  page.text("Every command has these options.")
  for option in Command.generalOptions { page.option(option) }
  page.request(".PP")
  page.text("Instead of a command:")
  for form in generalForms {
    page.option(Option(name: form.name, short: form.short, help: form.help))
  }
  page.section("COMMANDS")
  for (command, _) in commands { page.command(command) }
  page.section("EXIT STATUS")
  for (code, meaning) in exitCodes { page.item("\(code)", meaning) }
  page.section("ENVIRONMENT")
  for (name, meaning) in environmentVariables { page.item(name, meaning) }
  return page.source
}

/// Writes the language of man(7).
private struct ManualPage {
  private(set) var source = ""

  mutating func request(_ line: String) { source += line + "\n" }

  mutating func section(_ title: String) {
    request(".SH \(title.contains(" ") ? "\"\(title)\"" : title)")
  }

  mutating func command(_ command: Command) {
    request(".SS \(escaped(command.name))")
    request(".B \(escaped(command.usage))")
    request(".PP")
    var isExample = false
    for line in command.discussion.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("  ") != isExample && !line.isEmpty {
        isExample.toggle()
        request(isExample ? ".PP\n.EX" : ".EE")
      }
      if !line.isEmpty { text(String(line)) }
    }
    if isExample { request(".EE") }
    for argument in command.positional { item(argument.name, sentence(argument.help)) }
    for option in command.options { self.option(option) }
    if let rest = command.rest { item("-- \(rest.name)", sentence(rest.help)) }
  }

  mutating func option(_ option: Option) {
    var names = option.names.map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
    if let value = option.value { names += " \\fI\(escaped(value))\\fR" }
    request(".TP\n\(names)")
    text(sentence(option.help))
  }

  mutating func item(_ name: String, _ meaning: String) {
    request(".TP\n.B \(escaped(name))")
    text(meaning)
  }

  /// Lines of ordinary text.
  mutating func text(_ text: String) {
    for line in text.split(separator: "\n") {
      let isControl = line.hasPrefix(".") || line.hasPrefix("'")
      request((isControl ? "\\&" : "") + escaped(String(line)))
    }
  }

  private func sentence(_ help: String) -> String {
    help.prefix(1).uppercased() + help.dropFirst() + (help.hasSuffix(".") ? "" : ".")
  }

  private func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "'": result += "\\(aq"
      case "^": result += "\\(ha"
      case "~": result += "\\(ti"
      case "`": result += "\\(ga"
      default: result.append(character)
      }
    }
    return result
  }
}
