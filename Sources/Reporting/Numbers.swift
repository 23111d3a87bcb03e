public import Posix

/// Megabytes (10^6 bytes) with one decimal, rounded down.
public func megabytes(_ bytes: UInt64) -> Text {
  "\(bytes / 1_000_000).\(bytes / 100_000 % 10)"
}

/// A share in thousandths as percent with one decimal: 123 is "12.3 %".
public func percent(_ thousandths: UInt64) -> Text {
  "\(thousandths / 10).\(thousandths % 10) %"
}

/// A number with commas between groups of three digits.
public func grouped(_ number: UInt64) -> Text {
  let digits = ("\(number)" as Text).bytes
  var result: [UInt8] = []
  for (index, digit) in digits.enumerated() {
    if index > 0 && (digits.count - index) % 3 == 0 { result.append(UInt8(ascii: ",")) }
    result.append(digit)
  }
  return Text(utf8: result)
}
