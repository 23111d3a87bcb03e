public import PayloadFormat
public import Posix

/// The program that a launch executes, with all that it is given.
public struct Program: Sendable {
  public let entry: Path
  /// Argument 0, which is the entry, included.
  public let arguments: [Path]
  public let environment: [Path]

  /// Variables that concern one launch alone, and are not passed on to the program: one that is packed the same way and
  /// started by this one must not obey them.
  public static var ownVariables: [Path] {
    [
      Path("ONEFOLD"), Path("ONEFOLD_PROGRESS"), Path("ONEFOLD_TRACE"),
      Path("ONEFOLD_DIE_WITH_PARENT"),
    ]
  }

  /// - Parameters:
  ///   - root: The absolute path of the unpacked tree.
  ///   - executable: The absolute path of the onefile.
  ///   - given: The user's arguments, without argument 0.
  ///   - environment: That of the launch, "NAME=value" each.
  public init(
    _ record: LaunchRecord, root: Path, executable: Path, _ given: ArraySlice<Path>,
    environment: [Path]
  ) {
    entry = root.appending(record.entry)
    var all = [entry]
    for argument in record.arguments {
      all.append(
        Path(LaunchRecord.expand(argument, root: root.bytes, executable: executable.bytes)))
    }
    all.append(contentsOf: given)
    arguments = all
    self.environment = makeEnvironment(
      record, root: root, executable: executable, from: environment)
  }
}

/// The environment of the program: the launch's own, less the settings of this launch alone and what the record
/// removes, plus what the record sets and the four variables that tell the program about its onefile.
private func makeEnvironment(
  _ record: LaunchRecord, root: Path, executable: Path, from environment: [Path]
) -> [Path] {
  var result = environment
  for name in Program.ownVariables { result.removeVariable(name.bytes) }
  for name in record.removedVariables { result.removeVariable(name[...]) }
  for variable in record.variables {
    let expanded = LaunchRecord.expandVariable(
      variable, root: root.bytes, executable: executable.bytes
    ) { name in environment.variable(name[...]) }
    result.setVariable(Path(expanded))
  }
  result.setVariable(Path("ONEFOLD_EXE=").joined(executable.bytes))
  result.setVariable(Path("ONEFOLD_ROOT=").joined(root.bytes))
  result.setVariable(Path("ONEFOLD_APP_NAME=").joined(record.name[...]))
  result.setVariable(Path("ONEFOLD_APP_VERSION=").joined(record.version[...]))
  return result
}

extension [Path] {
  /// Of an environment: every setting of a variable.
  @inline(never)
  public mutating func removeVariable(_ name: ArraySlice<UInt8>) {
    removeAll { $0.isVariable(named: name) }
  }

  /// Of an environment: sets a variable to "NAME=value". Of several settings of one variable the last counts.
  @inline(never)
  public mutating func setVariable(_ entry: Path) {
    removeVariable(entry.variableName)
    append(entry)
  }
}

extension Path {
  /// What precedes the first `=`.
  fileprivate var variableName: ArraySlice<UInt8> {
    bytes.prefix { $0 != UInt8(ascii: "=") }
  }

  fileprivate func joined(_ bytes: ArraySlice<UInt8>) -> Path {
    var result = self
    result.append(contentsOf: bytes)
    return result
  }
}
