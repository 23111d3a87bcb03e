/// Package URLs (https://github.com/package-url/purl-spec).
public enum PackageURL {
  /// "pkg:pypi/numpy@2.4.6".
  ///
  /// - Parameters:
  ///   - type: such as "pypi", "deb" or "generic".
  ///   - namespace: such as "debian"; empty for none.
  ///   - qualifiers: in the order of their names.
  public static func make(
    _ type: String, namespace: String = "", name: String, version: String,
    qualifiers: [(name: String, value: String)] = []
  ) -> String {
    var url = "pkg:\(type)/"
    if !namespace.isEmpty { url += encoded(namespace) + "/" }
    url += encoded(name)
    if !version.isEmpty { url += "@" + encoded(version) }
    let pairs = qualifiers.filter { !$0.value.isEmpty }.map { "\($0.name)=\(encoded($0.value))" }
    return pairs.isEmpty ? url : url + "?" + pairs.joined(separator: "&")
  }

  /// Percent-encodes all but the characters that the specification leaves as they are.
  private static func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      let isPlain =
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-._~:".utf8.contains(byte)
      if isPlain {
        result.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = Array("0123456789ABCDEF")
        result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
    return result
  }

  /// The text that percent-encoded text stands for. What is not encoded as it should be stays as it is.
  public static func decoded(_ text: some StringProtocol) -> String {
    let bytes = [UInt8](text.utf8)
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      let digits = bytes[index...].dropFirst().prefix(2)
      if bytes[index] == UInt8(ascii: "%"), digits.count == 2,
        let byte = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      {
        result.append(byte)
        index += 3
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
