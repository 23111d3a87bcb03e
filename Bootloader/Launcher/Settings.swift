import PayloadFormat
import Posix
import Reporting

/// The environment's settings for a launch. All but the check are for this launch only (`Program.ownVariables`):
/// the program does not get them.
enum Settings {
  static var trace: Path? { ProcessContext.variable("ONEFOLD_TRACE") }

  /// The writer of JSON progress lines; nil unless the environment asks for them.
  static func progress(
    _ value: Path? = ProcessContext.variable("ONEFOLD_PROGRESS")
  ) throws(Failure) -> ProgressLines? {
    guard let value else { return nil }
    guard let descriptor = descriptor(value.bytes) else {
      throw .unknownProgress(value)
    }
    if let lines = ProgressLines(descriptor: descriptor) { return lines }
    throw .closedProgress(descriptor)
  }

  /// The descriptor: 2 for `json`, N for `json:N`, nil for anything else.
  private static func descriptor(_ value: ArraySlice<UInt8>) -> Int32? {
    if value.elementsEqual(Path("json").bytes) { return 2 }
    let start = Path("json:").bytes
    guard value.starts(with: start), (6...14).contains(value.count) else { return nil }
    // At most nine digits.
    return decimalNumber([UInt8](value.dropFirst(start.count))).map { Int32($0) }
  }

  enum ParentDeathSetting {
    case byRecord, never
    /// Even if the record does not ask for it. `signal` overrides the record's signal.
    case always(signal: ParentDeath?)
    /// When the other end of a pipe or socket is closed.
    case descriptor(Int32, signal: ParentDeath?)
  }

  static func parentDeath(
    _ value: Path? = ProcessContext.variable("ONEFOLD_DIE_WITH_PARENT")
  ) throws(Failure) -> ParentDeathSetting {
    guard let value else { return .byRecord }
    if value.elementsEqual(Path("0")) { return .never }
    if value.elementsEqual(Path("1")) { return .always(signal: nil) }
    if let signal = ParentDeath(named: value.bytes) { return .always(signal: signal) }
    let parts = pieces(of: [UInt8](value.bytes), at: UInt8(ascii: ":"))
    if parts.count == 2 || parts.count == 3, Path("fd").elementsEqual(Path(parts[0])),
      let number = decimalNumber(parts[1]), number <= UInt32(Int32.max)
    {
      let signal = parts.count == 3 ? ParentDeath(named: parts[2]) : nil
      if parts.count == 2 || signal != nil { return .descriptor(Int32(number), signal: signal) }
    }
    throw .unknownParentDeath(value)
  }

  /// The address to listen on: the variable overrides the launch record. Nil if there is none.
  static func listen(
    _ record: LaunchRecord, _ value: Path? = ProcessContext.variable("ONEFOLD_LISTEN")
  ) -> Path? {
    value ?? (record.listen.isEmpty ? nil : expanded(record.listen))
  }

  /// A text of the launch record with the values of its `{env:NAME}`.
  static func expanded(_ text: [UInt8]) -> Path {
    let environment = ProcessContext.environmentEntries()
    let value = LaunchRecord.expandVariable(
      [UInt8(ascii: "=")] + text, Placeholders([], doubled: .areLiteral)
    ) { environment.variable($0[...]) }
    return Path([UInt8](value.dropFirst()))
  }

  /// What to launch instead of the program: the command that the variable names, or else that of the name by which
  /// the file was started.
  static func command(
    _ record: LaunchRecord, startedAs name: Path?,
    _ value: Path? = ProcessContext.variable("ONEFOLD_COMMAND")
  ) throws(Failure) -> LaunchRecord.Command? {
    let wanted = [UInt8]((value ?? name ?? Path()).lastComponent)
    for command in record.commands where command.name == wanted { return command }
    if let value { throw .unknownCommand(value) }
    return nil
  }

  /// Whether to use equal files of older trees; nil: as the launch record says.
  static func reuse(
    _ value: Path? = ProcessContext.variable("ONEFOLD_REUSE")
  ) throws(Failure) -> Bool? {
    guard let value else { return nil }
    if value.elementsEqual(Path("0")) { return false }
    if value.elementsEqual(Path("1")) { return true }
    throw .unknownReuse(value)
  }

  /// The check for an existing tree: the variable overrides the launch record.
  static func check(
    _ record: LaunchRecord, _ value: Path? = ProcessContext.variable("ONEFOLD_CHECK")
  ) throws(Failure) -> CheckPolicy {
    guard let value else { return record.check ?? .dirs }
    if let policy = CheckPolicy(named: value.bytes) { return policy }
    throw .unknownCheck(value)
  }
}
