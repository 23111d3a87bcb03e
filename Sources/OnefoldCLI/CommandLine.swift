import AppSpec
public import Posix
import Reporting

/// The version of Onefold: of the packer and of the bootloader built with it.
public let version = "0.1.0"

/// Exit codes, as docs/command-line.md lists them.
public enum ExitCode {
  public static let success: Int32 = 0
  /// The command failed.
  public static let failure: Int32 = 1
  /// The command line could not be parsed.
  public static let usage: Int32 = 2
}

/// All commands, in the order of the help.
let commands: [(command: Command, run: @Sendable (Arguments) throws(Failure) -> Void)] = [
  (initCommand, runInit),
  (packCommand, runPack),
  (inspectCommand, runInspect),
  (verifyCommand, runVerify),
  (keygenCommand, runKeygen),
  (signCommand, runSign),
  (compareCommand, runCompare),
  (fetchCommand, runFetch),
  (extractCommand, runExtract),
  (cacheCommand, runCache),
  (benchCommand, runBench),
  (schemaCommand, runSchema),
  (completionsCommand, runCompletions),
  (manCommand, runMan),
]

/// The forms that can replace a command, in the order of the help.
let generalForms: [(name: String, short: String?, help: String)] = [
  ("--version", "-V", "show the version; with --json also those of the libraries, as JSON"),
  ("--help", "-h", "show this help"),
]

/// Runs the program with the arguments after its name, and returns its exit code.
///
/// Data goes to stdout, everything else to stderr.
public func run(_ arguments: [Path]) -> Int32 {
  MessageStyle.current.isColored = wantsColor(nil)
  var title = "onefold"
  do throws(Failure) {
    let (general, others) = try splitGeneral(arguments)
    guard let first = others.first else {
      writeNotice(overview())
      return ExitCode.usage
    }
    let name = String(decoding: first.bytes, as: UTF8.self)
    if let (command, body) = commands.first(where: { $0.command.name == name }) {
      title += " \(name)"
      try run(command, general + others.dropFirst(), body)
    } else {
      try runGeneral(name, Array(others.dropFirst()))
    }
    return ExitCode.success
  } catch {
    // Partial results are removed by now.
    if let signal = error.signal { TerminationSignals.endProcess(by: signal) }
    writeFailure(title, error.description.string)
    guard error.kind == .usage else { return ExitCode.failure }
    writeNotice(hint("\(title) --help"))
    return ExitCode.usage
  }
}

/// Splits the general options before the command from the rest.
private func splitGeneral(_ arguments: [Path]) throws(Failure) -> (
  general: [Path], others: ArraySlice<Path>
) {
  var others = arguments[...]
  while let first = others.first {
    let name = String(decoding: first.bytes.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
    let options = [Command.quietOption, Command.colorOption]
    guard let option = options.first(where: { $0.names.contains(name) }) else { break }
    others.removeFirst()
    guard let value = option.value, name.utf8.count == first.bytes.count else { continue }
    guard others.popFirst() != nil else {
      throw .usage("option '\(option.name)' needs a value: \(value)")
    }
  }
  return (Array(arguments[..<others.startIndex]), others)
}

private func run(
  _ command: Command, _ arguments: [Path], _ body: (Arguments) throws(Failure) -> Void
) throws(Failure) {
  let parsed = try Arguments(arguments, of: command)
  MessageStyle.current.isColored = wantsColor(try parsed.word(Command.colorOption.name))
  MessageStyle.current.isQuiet = parsed.has(Command.quietOption.name)
  if parsed.wantsHelp {
    try writeData(command.help)
  } else {
    try body(parsed)
  }
}

/// Runs help and version, which are not commands.
private func runGeneral(_ name: String, _ arguments: [Path]) throws(Failure) {
  switch name {
  case "--version", "-V":
    let parsed = try Arguments(
      arguments,
      of: Command(
        name: name, summary: "", discussion: "",
        options: [Option(name: "--json", help: "print JSON")]))
    try writeData(parsed.has("--json") ? versionJSON().encoded : versionText())
  case "--help", "-h", "help":
    guard let argument = arguments.first else { return try writeData(overview()) }
    let wanted = String(decoding: argument.bytes, as: UTF8.self)
    guard let (command, _) = commands.first(where: { $0.command.name == wanted }) else {
      throw unknownCommand(wanted)
    }
    try writeData(command.help)
  default: throw unknownCommand(name)
  }
}

private func unknownCommand(_ name: String) -> Failure {
  let names = commands.map { $0.command.name } + ["help", "--help", "--version"]
  let hint = nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
  let kind = name.hasPrefix("-") ? "option" : "command"
  return .usage("unknown \(kind) \(quotedText(name.utf8))\(hint)")
}

/// A description of Onefold in one sentence.
let programDescription = """
  Onefold packs a server, its interpreter and its dependencies into one static executable
  that unpacks itself once and from then on starts as fast as the unpacked program.
  """

private func overview() -> String {
  var text = "\(programDescription)\n\nUSAGE: onefold COMMAND [options]\n\nCOMMANDS:\n"
  for (command, _) in commands { text += helpLine(command.name, command.summary) }
  text += helpLine("help [COMMAND]", "show help")
  text += "\nOPTIONS:\n"
  for option in [Command.quietOption, Command.colorOption] { text += option.helpLine }
  for form in generalForms {
    text += helpLine((form.short.map { "\($0), " } ?? "") + form.name, form.help)
  }
  return text
}
