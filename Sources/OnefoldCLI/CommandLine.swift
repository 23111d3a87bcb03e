import AppSpec
public import Posix

/// The version of Onefold: of the packer and of the bootloader that is built with it.
public let version = "0.1.0"

/// Exit codes, as docs/command-line.md lists them.
public enum ExitCode {
  public static let success: Int32 = 0
  /// What was asked for could not be done.
  public static let failure: Int32 = 1
  /// The command line was not understood.
  public static let usage: Int32 = 2
}

/// Why a command ends without success.
enum CommandFailure: Error {
  case usage(String)
  case failed(String)
}

func usage<Result>(_ body: () throws(UsageError) -> Result) throws(CommandFailure) -> Result {
  do throws(UsageError) { return try body() } catch { throw .usage(error.message) }
}

/// All commands, in the order of the help.
let commands: [(command: Command, run: @Sendable (Arguments) throws(CommandFailure) -> Void)] = [
  (initCommand, runInit),
  (packCommand, runPack),
  (inspectCommand, runInspect),
  (verifyCommand, runVerify),
  (extractCommand, runExtract),
  (cacheCommand, runCache),
  (benchCommand, runBench),
]

/// Runs the program with the arguments after its name, and returns its exit code. Data goes to stdout,
/// everything else to stderr.
public func run(_ arguments: [Path]) -> Int32 {
  guard let first = arguments.first else {
    writeMessage(overview())
    return ExitCode.usage
  }
  let name = String(decoding: first.bytes, as: UTF8.self)
  let command = commands.first { $0.command.name == name }
  let title = command == nil ? "onefold" : "onefold \(name)"
  do throws(CommandFailure) {
    if let (command, body) = command {
      try run(command, Array(arguments.dropFirst()), body)
    } else {
      try runGeneral(name, arguments)
    }
    return ExitCode.success
  } catch {
    switch error {
    case .usage(let message):
      writeMessage("\(title): \(message)\nhint: \(title) --help\n")
      return ExitCode.usage
    case .failed(let message):
      writeMessage("\(title): \(message)\n")
      return ExitCode.failure
    }
  }
}

private func run(
  _ command: Command, _ arguments: [Path], _ body: (Arguments) throws(CommandFailure) -> Void
) throws(CommandFailure) {
  let parsed = try usage { () throws(UsageError) in try Arguments(arguments, of: command) }
  if parsed.wantsHelp {
    try writeData(command.help)
  } else {
    try body(parsed)
  }
}

/// What is no command: help and version.
private func runGeneral(_ name: String, _ arguments: [Path]) throws(CommandFailure) {
  switch name {
  case "--version": try writeData("onefold \(version)\n")
  case "--help", "-h", "help":
    guard arguments.count > 1 else { return try writeData(overview()) }
    let wanted = String(decoding: arguments[1].bytes, as: UTF8.self)
    guard let (command, _) = commands.first(where: { $0.command.name == wanted }) else {
      throw unknownCommand(wanted)
    }
    try writeData(command.help)
  default: throw unknownCommand(name)
  }
}

private func unknownCommand(_ name: String) -> CommandFailure {
  let names = commands.map { $0.command.name } + ["help", "--help", "--version"]
  let hint = nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
  return .usage("unknown command \(quotedText(name.utf8))\(hint)")
}

private func overview() -> String {
  var text = """
    Onefold packs a server, its interpreter and its dependencies into one static executable
    that unpacks itself once and from then on starts as fast as the unpacked program.

    USAGE: onefold COMMAND [options]

    COMMANDS:

    """
  for (command, _) in commands { text += helpLine(command.name, command.summary) }
  text += helpLine("help [COMMAND]", "show help")
  text += """

    OPTIONS:

    """
  text += helpLine("--version", "show the version")
  text += helpLine("-h, --help", "show this help")
  return text
}
