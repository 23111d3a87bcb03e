/// The program to execute, and its settings (docs/format.md, "Launch record").
///
/// The values are bytes. Placeholders are kept as written; `expand` replaces them with paths.
public struct LaunchRecord: Equatable, Sendable {
  static var headerByteCount: Int { 12 }

  /// 1 to 64 of `A-Z a-z 0-9 . _ + -`, not starting with `.` or `-`.
  public var name: [UInt8]
  /// At most 128 bytes without control characters; empty if there is none.
  public var version: [UInt8]
  /// Path of the program in the tree.
  public var entry: [UInt8]
  /// Arguments after argument 0 and before the user's.
  public var arguments: [[UInt8]]
  /// `NAME=value`, to set.
  public var variables: [[UInt8]]
  /// Names of variables to remove before `variables` are set.
  public var removedVariables: [[UInt8]]
  /// The system that the tree runs on, such as `x86_64-linux`.
  public var target: [UInt8]
  /// The program that wrote the file; empty if unknown.
  public var packer: [UInt8]
  /// The tree's requirement on the system's C library; nil if unknown.
  public var glibc: GlibcRequirement?
  /// The check of a cached tree; nil for the launcher's default.
  public var check: CheckPolicy?
  /// Days to keep an unused tree, 0 to 36,500; nil for the launcher's default.
  public var keepDays: Int?
  /// The signal that ends the program with its parent; nil for none.
  public var parentDeath: ParentDeath?
  /// Whether the tree may share equal files with older trees of the application.
  public var reuse: Bool
  /// The address of the socket that the program gets, as in `ONEFOLD_LISTEN`; empty if it gets none. It may hold
  /// `{env:NAME}`.
  public var listen: [UInt8]
  public var handover: Handover
  public var takenAddress: TakenAddress
  /// What a launch does if the program runs already; nil if there may be several.
  public var instance: InstancePolicy?
  /// Tells the instances of one user apart, such as by their data directory; may hold `{env:NAME}`.
  public var instanceKey: [UInt8]
  /// What the file can launch instead of its program.
  public var commands: [Command]

  /// Another program of the file (docs/launch.md, "Commands").
  public struct Command: Equatable, Sendable {
    /// Like the name of an application.
    public var name: [UInt8]
    /// Path of the program in the tree.
    public var entry: [UInt8]
    /// Arguments after argument 0 and before the user's.
    public var arguments: [[UInt8]]

    public init(name: [UInt8], entry: [UInt8], arguments: [[UInt8]]) {
      self.name = name
      self.entry = entry
      self.arguments = arguments
    }
  }

  /// Creates a record without arguments and variables.
  public init(name: [UInt8], entry: [UInt8], target: [UInt8]) {
    self.name = name
    self.entry = entry
    self.target = target
    version = []
    arguments = []
    variables = []
    removedVariables = []
    packer = []
    glibc = nil
    check = nil
    keepDays = nil
    parentDeath = nil
    reuse = true
    listen = []
    handover = .descriptor
    takenAddress = .fail
    instance = nil
    instanceKey = []
    commands = []
  }

  private enum Tag: UInt16 {
    case name = 1
    case version, entry, argument, set, unset, target, packer
    case glibc = 10
    case check, keep, parentDeath, reuse, listen, handover, takenAddress, instance, instanceKey,
      command

    var repeats: Bool {
      self == .argument || self == .set || self == .unset || self == .command
    }
    var isCritical: Bool {
      switch self {
      case .name, .entry, .argument, .set, .unset, .target: true
      default: false
      }
    }
  }

  /// Parses a whole record. Never traps, whatever the bytes.
  ///
  /// - Throws: the first fault of the bytes, in the order of docs/format.md.
  public init(parsing bytes: Span<UInt8>) throws(FormatError) {
    self.init(name: [], entry: [], target: [])
    guard bytes.count >= LaunchRecord.headerByteCount && bytes.count <= Limits.recordLength else {
      throw FormatError(.recordTooShort)
    }
    guard bytes.hasPrefix("OFLR") else { throw FormatError(.recordMagic) }
    guard bytes.u16(4) == 1 else { throw FormatError(.recordVersion) }
    guard bytes.u16(6) == 0 else { throw FormatError(.recordReserved) }
    let count = Int(bytes.u32(8))
    guard count <= Limits.recordFields else { throw FormatError(.recordFieldCount) }

    var offset = LaunchRecord.headerByteCount
    var previous: UInt16 = 0
    for field in 0..<count {
      guard bytes.count - offset >= 8 else { throw FormatError(.recordFieldCut, field) }
      let number = bytes.u16(offset)
      let flags = bytes.u16(offset + 2)
      let length = Int(bytes.u32(offset + 4))
      offset += 8
      guard bytes.count - offset >= length else { throw FormatError(.recordFieldCut, field) }
      guard flags <= 1 else { throw FormatError(.recordFieldFlags, field) }
      guard number >= previous else { throw FormatError(.recordFieldOrder, field) }
      let value = bytes.extracting(offset..<offset + length)
      offset += length
      if let tag = Tag(rawValue: number) {
        if number == previous && !tag.repeats { throw FormatError(.recordFieldRepeated, field) }
        if tag.isCritical != (flags == 1) { throw FormatError(.recordFieldFlags, field) }
        try take(tag, value, field)
      } else if flags & 1 != 0 {
        throw FormatError(.recordFieldUnknown, field)
      }
      previous = number
    }
    guard offset == bytes.count else { throw FormatError(.recordTrailing) }
    guard !name.isEmpty && !entry.isEmpty && !target.isEmpty else {
      throw FormatError(.recordFieldMissing)
    }
  }

  private mutating func take(_ tag: Tag, _ value: Span<UInt8>, _ field: Int) throws(FormatError) {
    let all = value.array(0..<value.count)
    guard tag == .command || !all.contains(0) else { throw FormatError(.recordNul, field) }
    switch tag {
    case .name:
      guard LaunchRecord.isName(value) else { throw FormatError(.recordName, field) }
      name = all
    case .version, .packer:
      guard LaunchRecord.isText(value) else { throw FormatError(.recordText, field) }
      if tag == .version { version = all } else { packer = all }
    case .target:
      guard LaunchRecord.isName(value) else { throw FormatError(.recordText, field) }
      target = all
    case .entry:
      guard PathRules.isPath(value) else { throw FormatError(.recordEntry, field) }
      entry = all
    case .argument:
      arguments.append(all)
    case .set:
      guard let equals = all.firstIndex(of: 0x3D), equals > 0 else {
        throw FormatError(.recordVariable, field)
      }
      variables.append(all)
    case .unset:
      guard !all.isEmpty && !all.contains(0x3D) else { throw FormatError(.recordVariable, field) }
      removedVariables.append(all)
    case .glibc:
      guard let requirement = GlibcRequirement(parsing: value) else {
        throw FormatError(.recordGlibc, field)
      }
      glibc = requirement
    case .check:
      guard let policy = CheckPolicy(named: all) else { throw FormatError(.recordPolicy, field) }
      check = policy
    case .keep:
      guard let days = LaunchRecord.days(value) else { throw FormatError(.recordPolicy, field) }
      keepDays = days
    case .parentDeath:
      guard let death = ParentDeath(named: all) else { throw FormatError(.recordPolicy, field) }
      parentDeath = death
    case .reuse:
      guard all.span.hasPrefix("no") && all.count == 2 else {
        throw FormatError(.recordPolicy, field)
      }
      reuse = false
    case .listen: listen = all
    case .handover:
      guard let value = Handover(named: all) else { throw FormatError(.recordPolicy, field) }
      handover = value
    case .takenAddress:
      guard let value = TakenAddress(named: all) else { throw FormatError(.recordPolicy, field) }
      takenAddress = value
    case .instance:
      guard let value = InstancePolicy(named: all) else { throw FormatError(.recordPolicy, field) }
      instance = value
    case .instanceKey: instanceKey = all
    case .command:
      guard let command = Command(parsing: all),
        !commands.contains(where: { $0.name == command.name })
      else { throw FormatError(.recordCommand, field) }
      commands.append(command)
    }
  }

  /// The longest time that `keep` accepts, in days.
  public static var longestKeep: Int { 36_500 }

  /// Parses a decimal number of days without leading zeros; nil if it is invalid or too large.
  private static func days(_ value: Span<UInt8>) -> Int? {
    guard value.count >= 1 && value.count <= 5 else { return nil }
    var days = 0
    for index in 0..<value.count {
      let digit = value[index]
      guard digit >= UInt8(ascii: "0") && digit <= UInt8(ascii: "9"), index == 0 || days > 0 else {
        return nil
      }
      days = days * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return days <= longestKeep ? days : nil
  }

  /// Whether `bytes` are a valid application name or target.
  public static func isName(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count >= 1 && bytes.count <= 64 else { return false }
    guard bytes[0] != UInt8(ascii: ".") && bytes[0] != UInt8(ascii: "-") else { return false }
    for index in 0..<bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "+"), UInt8(ascii: "-"):
        continue
      default: return false
      }
    }
    return true
  }

  /// Whether `bytes` are a valid version text.
  public static func isText(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count <= 128 else { return false }
    for index in 0..<bytes.count where bytes[index] < 0x20 || bytes[index] == 0x7F { return false }
    return true
  }

  /// The record's bytes. The caller must avoid a record that `init(parsing:)` would refuse; parse the result to
  /// find out.
  public func encoded() -> [UInt8] {
    var fields: [UInt8] = []
    var count: UInt32 = 0
    func add(_ tag: Tag, _ value: [UInt8]) {
      count += 1
      fields.append(littleEndian: tag.rawValue)
      fields.append(littleEndian: UInt16(tag.isCritical ? 1 : 0))
      fields.append(littleEndian: UInt32(value.count))
      fields.append(contentsOf: value)
    }
    func ascii(_ text: StaticString) -> [UInt8] {
      var bytes: [UInt8] = []
      bytes.append(ascii: text)
      return bytes
    }
    add(.name, name)
    if !version.isEmpty { add(.version, version) }
    add(.entry, entry)
    for argument in arguments { add(.argument, argument) }
    for variable in variables { add(.set, variable) }
    for name in removedVariables { add(.unset, name) }
    add(.target, target)
    if !packer.isEmpty { add(.packer, packer) }
    if let glibc { add(.glibc, glibc.encoded) }
    if let check { add(.check, ascii(check.name)) }
    if let keepDays {
      var digits: [UInt8] = []
      digits.append(decimal: keepDays)
      add(.keep, digits)
    }
    if let parentDeath { add(.parentDeath, ascii(parentDeath.name)) }
    if !reuse { add(.reuse, ascii("no")) }
    if !listen.isEmpty { add(.listen, listen) }
    if handover != .descriptor { add(.handover, ascii(handover.name)) }
    if takenAddress != .fail { add(.takenAddress, ascii(takenAddress.name)) }
    if let instance { add(.instance, ascii(instance.name)) }
    if !instanceKey.isEmpty { add(.instanceKey, instanceKey) }
    for command in commands { add(.command, command.encoded) }

    var bytes: [UInt8] = []
    bytes.append(ascii: "OFLR")
    bytes.append(littleEndian: UInt16(1))
    bytes.append(littleEndian: UInt16(0))
    bytes.append(littleEndian: count)
    bytes.append(contentsOf: fields)
    return bytes
  }
}

extension LaunchRecord.Command {
  /// Name, entry and arguments, each ended by a NUL. Nil if the bytes are anything else.
  init?(parsing bytes: [UInt8]) {
    var parts: [[UInt8]] = []
    var part: [UInt8] = []
    for byte in bytes {
      if byte != 0 {
        part.append(byte)
      } else {
        parts.append(part)
        part = []
      }
    }
    guard part.isEmpty && parts.count >= 2 else { return nil }
    name = parts[0]
    entry = parts[1]
    arguments = Array(parts[2...])
    guard LaunchRecord.isName(name.span) && PathRules.isPath(entry.span) else { return nil }
  }

  var encoded: [UInt8] {
    var bytes: [UInt8] = []
    for part in [name, entry] + arguments {
      bytes.append(contentsOf: part)
      bytes.append(0)
    }
    return bytes
  }
}
