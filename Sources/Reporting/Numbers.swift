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

/// A count and its noun: "1 file", "1,234 files". Without `plural`, the plural is `noun` and an "s".
@inline(never)
public func counted(_ number: UInt64, _ noun: StaticString, plural: StaticString = "") -> Text {
  var text = grouped(number)
  text.append(literal: " ")
  let hasOwnPlural = number != 1 && plural.utf8CodeUnitCount > 0
  text.append(literal: hasOwnPlural ? plural : noun)
  if number != 1 && !hasOwnPlural { text.append(literal: "s") }
  return text
}

/// A count and its noun; see the function for `UInt64`. Traps if `number` is negative.
@inline(never)
public func counted(_ number: Int, _ noun: StaticString, plural: StaticString = "") -> Text {
  counted(UInt64(number), noun, plural: plural)
}
