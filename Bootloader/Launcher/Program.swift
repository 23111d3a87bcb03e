public import PayloadFormat
public import Posix

/// The program that a launch executes, with its arguments and environment.
public struct Program: Sendable {
  public let entry: Path
  /// All arguments, with the entry as argument 0.
  public let arguments: [Path]
  public var environment: [Path]

  /// Variables that concern one launch only. The program does not get them: another onefile that it starts must
  /// not obey them.
  public static var ownVariables: [Path] {
    [
      Path("ONEFOLD"), Path("ONEFOLD_PROGRESS"), Path("ONEFOLD_TRACE"),
      Path("ONEFOLD_DIE_WITH_PARENT"), Path("ONEFOLD_REUSE"), Path("ONEFOLD_LISTEN"),
      Path("ONEFOLD_COMMAND"),
    ]
  }

  /// - Parameters:
  ///   - root: The absolute path of the unpacked tree.
  ///   - executable: The absolute path of the onefile.
  ///   - given: The arguments of the launcher, with argument 0.
  ///   - command: What to launch instead of the record's program.
  ///   - listener: The values of the placeholders for the address that the launcher keeps for the program.
  ///   - environment: The launcher's environment, each entry "NAME=value".
  public init(
    _ record: LaunchRecord, root: Path, executable: Path, _ given: [Path],
    command: LaunchRecord.Command? = nil, listener: (address: [UInt8], port: [UInt8])? = nil,
    environment: [Path]
  ) {
    entry = root.appending(command?.entry ?? record.entry)
    let placeholders = Placeholders(
      root: root.bytes, executable: executable.bytes, listener: listener)
    var all = [entry]
    for argument in command?.arguments ?? record.arguments {
      all.append(Path(placeholders.filled(argument)))
    }
    all.append(contentsOf: given.dropFirst())
    arguments = all
    self.environment = makeEnvironment(
      record, placeholders, root: root, executable: executable, from: environment)
    if let name = given.first {
      self.environment.setVariable(Path("ONEFOLD_ARGV0=").joined(name.bytes))
    }
  }
}

/// Makes the program's environment. It starts with the launcher's own, without the settings of this launch. Then
/// the record removes and sets variables. The last four variables tell the program about its onefile.
private func makeEnvironment(
  _ record: LaunchRecord, _ placeholders: Placeholders, root: Path, executable: Path,
  from environment: [Path]
) -> [Path] {
  var result = environment
  for name in Program.ownVariables { result.removeVariable(name.bytes) }
  for name in record.removedVariables { result.removeVariable(name[...]) }
  for variable in record.variables {
    let expanded = LaunchRecord.expandVariable(variable, placeholders) { name in
      environment.variable(name[...])
    }
    result.setVariable(Path(expanded))
  }
  result.setVariable(Path("ONEFOLD_EXE=").joined(executable.bytes))
  result.setVariable(Path("ONEFOLD_ROOT=").joined(root.bytes))
  result.setVariable(Path("ONEFOLD_APP_NAME=").joined(record.name[...]))
  result.setVariable(Path("ONEFOLD_APP_VERSION=").joined(record.version[...]))
  return result
}

extension [Path] {
  /// Removes every setting of a variable from an environment.
  @inline(never)
  public mutating func removeVariable(_ name: ArraySlice<UInt8>) {
    removeAll { $0.isVariable(named: name) }
  }

  /// Sets a variable of an environment to "NAME=value", and removes earlier settings of the same variable.
  @inline(never)
  public mutating func setVariable(_ entry: Path) {
    removeVariable(entry.variableName)
    append(entry)
  }
}

extension Path {
  /// The part before the first `=`.
  fileprivate var variableName: ArraySlice<UInt8> {
    bytes.prefix { $0 != UInt8(ascii: "=") }
  }

}
