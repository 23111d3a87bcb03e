internal import CPosix

/// A path of the file system: any bytes but NUL, never text.
///
/// The bytes are kept with a final NUL, so that a system call needs no copy.
public struct Path: Sendable {
  private var storage: [UInt8]

  /// The empty path.
  public init() { storage = [0] }

  /// - Precondition: `bytes` holds no NUL; the bytes after one would be lost.
  @inline(never)
  public init(_ bytes: [UInt8]) {
    storage = bytes
    storage.append(0)
  }

  @inline(never)
  public init(_ text: StaticString) {
    storage = [UInt8](UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    storage.append(0)
  }

  /// Copies a C string up to its NUL.
  @inline(never)
  public init(cString: UnsafePointer<CChar>) {
    storage = [UInt8](UnsafeRawBufferPointer(start: cString, count: strlen(cString) + 1))
  }

  /// The bytes without the final NUL.
  public var bytes: ArraySlice<UInt8> { storage[..<count] }
  public var count: Int { storage.count - 1 }
  public var isEmpty: Bool { count == 0 }
  public var isAbsolute: Bool { storage[0] == UInt8(ascii: "/") }

  /// Calls `body` with the NUL-terminated bytes, valid only until it returns.
  ///
  /// - Throws: the error of `body`.
  public func withCString<Result, Reason: Error>(
    _ body: (UnsafePointer<CChar>) throws(Reason) -> Result
  ) throws(Reason) -> Result {
    try storage.withUnsafeBufferPointer { (buffer) throws(Reason) -> Result in
      try buffer.baseAddress!.withMemoryRebound(to: CChar.self, capacity: buffer.count) {
        (pointer) throws(Reason) -> Result in
        try body(pointer)
      }
    }
  }

  @inline(never)
  public mutating func append(byte: UInt8) {
    storage[storage.count - 1] = byte
    storage.append(0)
  }

  public mutating func append(contentsOf bytes: [UInt8]) { append(contentsOf: bytes[...]) }

  @inline(never)
  public mutating func append(contentsOf bytes: ArraySlice<UInt8>) {
    storage.removeLast()
    storage.append(contentsOf: bytes)
    storage.append(0)
  }

  /// Replaces the content with `bytes`, and reuses the memory.
  public mutating func replace(with bytes: ArraySlice<UInt8>) {
    storage.removeAll(keepingCapacity: true)
    storage.append(contentsOf: bytes)
    storage.append(0)
  }

  /// Cuts the path to its first `count` bytes.
  public mutating func truncate(to count: Int) {
    storage.removeLast(storage.count - count)
    storage.append(0)
  }

  /// This path with `bytes` after its last component.
  public func joined(_ bytes: ArraySlice<UInt8>) -> Path {
    var result = self
    result.append(contentsOf: bytes)
    return result
  }

  /// The path of `name` in this directory; `name` itself if this path is empty.
  public func appending(_ name: [UInt8]) -> Path { appending(name[...]) }

  /// The path of `name` in this directory; `name` itself if this path is empty.
  @inline(never)
  public func appending(_ name: ArraySlice<UInt8>) -> Path {
    var result = self
    if !isEmpty && storage[count - 1] != UInt8(ascii: "/") {
      result.append(byte: UInt8(ascii: "/"))
    }
    result.append(contentsOf: name)
    return result
  }

  public func appending(_ name: StaticString) -> Path { appending(Path(name).bytes) }

  /// The part before the last component, or "." if there is only one.
  public var parent: Path {
    var end = count
    while end > 1 && storage[end - 1] == UInt8(ascii: "/") { end -= 1 }
    while end > 0 && storage[end - 1] != UInt8(ascii: "/") { end -= 1 }
    if end == 0 { return Path(".") }
    while end > 1 && storage[end - 1] == UInt8(ascii: "/") { end -= 1 }
    return Path([UInt8](storage[..<end]))
  }

  /// The last component; empty for "/".
  public var lastComponent: ArraySlice<UInt8> {
    var end = count
    while end > 0 && storage[end - 1] == UInt8(ascii: "/") { end -= 1 }
    var start = end
    while start > 0 && storage[start - 1] != UInt8(ascii: "/") { start -= 1 }
    return storage[start..<end]
  }

  @inline(never)
  public func elementsEqual(_ other: Path) -> Bool { storage == other.storage }

  /// Whether this entry of an environment sets the variable `name`, which must not contain `=`.
  @inline(never)
  public func isVariable(named name: ArraySlice<UInt8>) -> Bool {
    // Compares first at the place where most names differ. The final NUL replaces the `=` in an entry without
    // one.
    guard count >= name.count,
      storage[name.count] == UInt8(ascii: "=") || count == name.count
    else { return false }
    for index in 0..<name.count where storage[index] != name[name.startIndex + index] {
      return false
    }
    return true
  }

  /// The path for a message, in single quotes. Control characters, quotes, backslashes and bytes that are not
  /// UTF-8 become `\xNN`, so that a hostile name cannot forge output.
  public var quoted: Text { quotedText(bytes) }
}

/// The pieces between separators: one more than there are separators; some may be empty.
@inline(never)
public func pieces(of bytes: [UInt8], at separator: UInt8) -> [[UInt8]] {
  var result: [[UInt8]] = []
  var piece: [UInt8] = []
  for byte in bytes {
    if byte == separator {
      result.append(piece)
      piece = []
    } else {
      piece.append(byte)
    }
  }
  result.append(piece)
  return result
}

/// The first position of `part` in `bytes` at `start` or later; nil if there is none. The corresponding C
/// function is `memmem`.
@inline(never)
public func index(of part: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
  let found = part.withUnsafeBytes { part in
    bytes.withUnsafeBytes {
      cposix_find($0.baseAddress! + start, $0.count - start, part.baseAddress!, part.count)
    }
  }
  return found < 0 ? nil : start + found
}

/// The number that the decimal digits represent; nil if they are not a 32-bit number.
@inline(never)
public func decimalNumber(_ digits: [UInt8]) -> UInt32? {
  var result: UInt64 = 0
  for digit in digits {
    guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
    result = result * 10 + UInt64(digit - UInt8(ascii: "0"))
    guard result <= UInt64(UInt32.max) else { return nil }
  }
  return digits.isEmpty ? nil : UInt32(result)
}

/// See `Path.quoted`.
@inline(never)
public func quotedText(_ bytes: some Sequence<UInt8>) -> Text { "'\(escapedText(bytes))'" }

/// `bytes` as text, escaped like `Path.quoted` but without the quotes.
@inline(never)
public func escapedText(_ source: some Sequence<UInt8>) -> Text {
  escapedText([UInt8](source), forJSON: false)
}

/// Returns `bytes` as text without bytes that could forge output, end the text or look like an escape. Control
/// characters, quotes, backslashes and bytes that are not UTF-8 become `\x` and two hexadecimal digits.
///
/// With `forJSON`, the text is for a JSON string (RFC 8259): a parser returns all characters unchanged, and for
/// bytes that are not UTF-8 the text that messages have.
@inline(never)
public func escapedText(_ bytes: [UInt8], forJSON: Bool) -> Text {
  let quote: UInt8 = forJSON ? 0x22 : 0x27
  var text = Text(utf8: [])
  var index = 0
  while index < bytes.count {
    let length = scalarLength(bytes, index)
    let byte = bytes[index]
    let isMark = byte == quote || byte == 0x5C
    if length > 1 || (length == 1 && byte >= 0x20 && byte != 0x7F && !isMark) {
      text.append(utf8: bytes[index..<index + length])
      index += length
      continue
    }
    if forJSON && byte == 0xC2 && index + 1 < bytes.count
      && (0x80...0x9F).contains(bytes[index + 1])
    {
      // A C1 control character, whose second byte is its number.
      index += 1
      text.append(literal: "\\u00")
      text.append(hexText(bytes[index...index]))
    } else if forJSON && isMark {
      text.append(utf8: [0x5C, byte])
    } else {
      text.append(literal: !forJSON ? "\\x" : length == 1 ? "\\u00" : "\\\\x")
      text.append(hexText(bytes[index...index]))
    }
    index += 1
  }
  return text
}

/// Lower-case hexadecimal text, two digits per byte.
public func hexText(_ bytes: some Sequence<UInt8>) -> Text {
  var text: [UInt8] = []
  for byte in bytes {
    text.append(hexDigit(byte >> 4))
    text.append(hexDigit(byte & 15))
  }
  return Text(utf8: text)
}

/// The lower-case digit for 0 to 15.
@inline(never)
public func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

/// The length in bytes of the well-formed UTF-8 sequence at `index`, or 0 if there is none (Unicode 15, table
/// 3-7). C1 control characters count as ill-formed, because terminals obey them.
private func scalarLength(_ bytes: [UInt8], _ index: Int) -> Int {
  let first = bytes[index]
  if first < 0x80 { return 1 }
  let length: Int
  var low: UInt8 = 0x80
  var high: UInt8 = 0xBF
  switch first {
  case 0xC2:
    length = 2
    low = 0xA0
  case 0xC3...0xDF: length = 2
  case 0xE0:
    length = 3
    low = 0xA0
  case 0xED:
    length = 3
    high = 0x9F
  case 0xE1...0xEF: length = 3
  case 0xF0:
    length = 4
    low = 0x90
  case 0xF1...0xF3: length = 4
  case 0xF4:
    length = 4
    high = 0x8F
  default: return 0
  }
  guard index + length <= bytes.count else { return 0 }
  guard bytes[index + 1] >= low && bytes[index + 1] <= high else { return 0 }
  var next = 2
  while next < length {
    guard bytes[index + next] >= 0x80 && bytes[index + next] <= 0xBF else { return 0 }
    next += 1
  }
  return length
}

extension [Path] {
  /// The value of a variable in an environment; nil if it is not set. The last of several settings counts.
  public func variable(_ name: ArraySlice<UInt8>) -> [UInt8]? {
    last { $0.isVariable(named: name) }.map { [UInt8]($0.bytes.dropFirst(name.count + 1)) }
  }
}
