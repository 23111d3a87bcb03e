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
  (packCommand, runPack),
  (inspectCommand, runInspect),
  (verifyCommand, runVerify),
  (extractCommand, runExtract),
]

/// Runs the program with the arguments after its name, and returns its exit code. Data goes to stdout,
/// everything else to stderr.
public func run(_ arguments: [Path]) -> Int32 {
  guard let first = arguments.first else {
    writeText(overview(), to: 2)
    return ExitCode.usage
  }
  let name = String(decoding: first.bytes, as: UTF8.self)
  switch name {
  case "--version":
    writeText("onefold \(version)\n", to: 1)
    return ExitCode.success
  case "--help", "-h", "help":
    return help(arguments.count > 1 ? String(decoding: arguments[1].bytes, as: UTF8.self) : nil)
  default: break
  }
  guard let (command, body) = commands.first(where: { $0.command.name == name }) else {
    return unknownCommand(name)
  }
  do throws(CommandFailure) {
    let parsed = try usage { () throws(UsageError) in
      try Arguments(Array(arguments.dropFirst()), of: command)
    }
    if parsed.wantsHelp {
      writeText(command.help, to: 1)
    } else {
      try body(parsed)
    }
    return ExitCode.success
  } catch {
    switch error {
    case .usage(let message):
      writeText(
        "onefold \(command.name): \(message)\nhint: onefold \(command.name) --help\n", to: 2)
      return ExitCode.usage
    case .failed(let message):
      writeText("onefold \(command.name): \(message)\n", to: 2)
      return ExitCode.failure
    }
  }
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

private func help(_ name: String?) -> Int32 {
  guard let name else {
    writeText(overview(), to: 1)
    return ExitCode.success
  }
  guard let (command, _) = commands.first(where: { $0.command.name == name }) else {
    return unknownCommand(name)
  }
  writeText(command.help, to: 1)
  return ExitCode.success
}

private func unknownCommand(_ name: String) -> Int32 {
  let names = commands.map { $0.command.name } + ["help", "--help", "--version"]
  let hint = nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
  writeText(
    "onefold: unknown command \(quotedText(name.utf8))\(hint)\nhint: onefold --help\n", to: 2)
  return ExitCode.usage
}
