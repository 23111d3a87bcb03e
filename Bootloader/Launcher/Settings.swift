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
    var number: Int32 = 0
    for byte in value.dropFirst(start.count) {
      guard byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") else { return nil }
      number = number * 10 + Int32(byte - UInt8(ascii: "0"))
    }
    return number
  }

  enum ParentDeathSetting {
    case byRecord, never
    /// Even if the record does not ask for it. `signal` overrides the record's signal.
    case always(signal: ParentDeath?)
  }

  static func parentDeath(
    _ value: Path? = ProcessContext.variable("ONEFOLD_DIE_WITH_PARENT")
  ) throws(Failure) -> ParentDeathSetting {
    guard let value else { return .byRecord }
    if value.elementsEqual(Path("0")) { return .never }
    if value.elementsEqual(Path("1")) { return .always(signal: nil) }
    if let signal = ParentDeath(named: value.bytes) { return .always(signal: signal) }
    throw .unknownParentDeath(value)
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
