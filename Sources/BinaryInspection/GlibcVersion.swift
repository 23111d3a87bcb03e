/// A version of the GNU C library, compared by numbers: 2.9 is older than 2.17.
public struct GlibcVersion: Comparable, Hashable, Sendable {
  public var major: Int
  public var minor: Int
  /// As in 2.2.5; 0 where there is none.
  public var patch: Int

  public init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
    self.major = major
    self.minor = minor
    self.patch = patch
  }

  /// The version in which the loader understands `DT_RELR`.
  public static var relativeRelocations: GlibcVersion { GlibcVersion(2, 36) }

  /// What the symbol version `name` asks for: "GLIBC_2.17" is 2.17, "GLIBC_ABI_DT_RELR" is 2.36. Nil for the
  /// versions of other libraries, for `GLIBC_PRIVATE`, and for marks of the loader that distributions took
  /// over into older versions.
  public init?(symbolVersion name: String) {
    if name == "GLIBC_ABI_DT_RELR" {
      self = .relativeRelocations
      return
    }
    let prefix = "GLIBC_"
    guard name.utf8.starts(with: prefix.utf8) else { return nil }
    let parts = name.utf8.dropFirst(prefix.utf8.count)
      .split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard (2...3).contains(parts.count) else { return nil }
    var numbers: [Int] = []
    for part in parts {
      // At most six digits, so that no sum overflows.
      guard (1...6).contains(part.count) else { return nil }
      var value = 0
      for digit in part {
        guard (0x30...0x39).contains(digit) else { return nil }
        value = value * 10 + Int(digit - 0x30)
      }
      numbers.append(value)
    }
    self.init(numbers[0], numbers[1], numbers.count == 3 ? numbers[2] : 0)
  }

  public static func < (left: GlibcVersion, right: GlibcVersion) -> Bool {
    (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
  }

  /// "2.17", or "2.2.5".
  public var description: String {
    patch == 0 ? "\(major).\(minor)" : "\(major).\(minor).\(patch)"
  }
}
