import PayloadFormat
public import Posix

/// The static executable before the payload.
public struct Bootloader: Sendable {
  public let path: Path
  let bytes: [UInt8]
  /// The system that it runs on, such as `x86_64-linux`.
  public let target: StaticString
  private let machine: UInt16

  /// Reads the executable at `path`.
  ///
  /// - Throws: "open", "read", or a failure if the file is not a bootloader for a known target.
  public init(_ path: Path) throws(Failure) {
    let file = try FileDescriptor.open(path, .read)
    let size = try file.status().size
    guard size >= 64 && size <= 64 << 20 else {
      throw .bootloader(path, "is not a program of a sensible size")
    }
    let bytes = try file.bytes(at: 0, count: Int(size))
    guard let machine = elfMachine(bytes), let target = Bootloader.targets[machine] else {
      throw .bootloader(path, "is not a Linux program for a CPU that Onefold supports")
    }
    guard Trailer.find(in: bytes.span, tailOffset: 0) == nil else {
      throw .bootloader(path, "has a payload already")
    }
    self.path = path
    self.bytes = bytes
    self.machine = machine
    self.target = target
  }

  private static let targets: [UInt16: StaticString] = [62: "x86_64-linux", 183: "aarch64-linux"]

  /// The target of a program that begins with `head`; nil if no bootloader supports it.
  static func target(of head: [UInt8]) -> StaticString? { elfMachine(head).flatMap { targets[$0] } }

  /// Whether a program that begins with `head` cannot run on this bootloader's target. False for files that are
  /// not ELF, such as scripts.
  func isForeign(_ head: [UInt8]) -> Bool {
    guard let other = elfMachine(head) else { return false }
    return other != machine
  }
}

/// `e_machine` of a 64-bit little-endian ELF header (System V gABI, chapter 4); 0 for other ELF files.
private func elfMachine(_ head: [UInt8]) -> UInt16? {
  guard head.count >= 20, head.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return nil }
  guard head[4] == 2 && head[5] == 1 else { return 0 }
  return head.span.u16(18)
}
