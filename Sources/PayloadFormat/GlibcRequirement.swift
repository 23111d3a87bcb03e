/// A version of the GNU C library, such as 2.36.
public struct GlibcVersion: Equatable, Comparable, Sendable {
  /// 0 to 999.
  public let major: Int
  public let minor: Int

  /// Nil if a number is not 0 to 999.
  public init?(_ major: Int, _ minor: Int) {
    guard (0...999).contains(major) && (0...999).contains(minor) else { return nil }
    self.major = major
    self.minor = minor
  }

  /// Parses "2.36": two decimal numbers up to 999, without leading zeros.
  public init?(parsing text: Span<UInt8>) {
    var numbers = [0]
    var digits = 0
    for index in 0..<text.count {
      let byte = text[index]
      if byte == UInt8(ascii: ".") {
        guard digits > 0 && numbers.count == 1 else { return nil }
        numbers.append(0)
        digits = 0
        continue
      }
      let last = numbers.count - 1
      guard byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"), digits < 3,
        digits == 0 || numbers[last] > 0
      else { return nil }
      numbers[last] = numbers[last] * 10 + Int(byte - UInt8(ascii: "0"))
      digits += 1
    }
    guard numbers.count == 2 && digits > 0 else { return nil }
    self.init(numbers[0], numbers[1])
  }

  public static func < (a: GlibcVersion, b: GlibcVersion) -> Bool {
    a.major != b.major ? a.major < b.major : a.minor < b.minor
  }

  /// "2.36", in ASCII.
  public var text: [UInt8] {
    var result: [UInt8] = []
    result.append(decimal: major)
    result.append(ascii: ".")
    result.append(decimal: minor)
    return result
  }
}

/// A tree's requirement on the system's C library (docs/format.md, "Launch record").
public struct GlibcRequirement: Equatable, Sendable {
  /// The oldest glibc that has everything the tree needs.
  public var version: GlibcVersion
  /// The path in the tree of a file that needs this version.
  public var file: [UInt8]

  public init(version: GlibcVersion, file: [UInt8]) {
    self.version = version
    self.file = file
  }

  /// Parses the field's value.
  init?(parsing value: Span<UInt8>) {
    var end = 0
    while end < value.count && value[end] != UInt8(ascii: " ") { end += 1 }
    guard end < value.count, let version = GlibcVersion(parsing: value.extracting(0..<end)),
      PathRules.isPath(value.extracting(end + 1..<value.count))
    else { return nil }
    self.init(version: version, file: value.array(end + 1..<value.count))
  }

  /// The field's value.
  var encoded: [UInt8] {
    var result = version.text
    result.append(ascii: " ")
    result.append(contentsOf: file)
    return result
  }
}
