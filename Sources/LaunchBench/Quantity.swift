import Posix
import Reporting

/// The unit of a metric's samples.
public enum Unit: String, Sendable {
  case nanoseconds = "ns"
  case bytes = "B"
  /// A number of things.
  case count = ""
  case ratio = "x"

  /// The suffixes of this unit in a limit, with their factors.
  var suffixes: [(name: String, factor: Double)] {
    switch self {
    case .nanoseconds: [("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
    case .bytes: [("B", 1), ("KB", 1e3), ("MB", 1e6)]
    case .count: [("", 1)]
    case .ratio: [("x", 1)]
    }
  }

  /// A readable value: three or four digits and a unit.
  public func text(_ value: Double) -> String {
    switch self {
    case .count: return value < 0 ? "-" + text(-value) : grouped(UInt64(value.rounded())).string
    case .ratio: return fixed(value, abs(value) < 10 ? 3 : abs(value) < 100 ? 2 : 1) + " x"
    case .nanoseconds, .bytes:
      var chosen = suffixes[0]
      for suffix in suffixes where abs(value) >= suffix.factor { chosen = suffix }
      let scaled = value / chosen.factor
      // A byte or a nanosecond has no fractions.
      let decimals =
        chosen.factor == 1 ? 0 : abs(scaled) < 10 ? 2 : abs(scaled) < 100 ? 1 : 0
      return fixed(scaled, decimals) + " " + chosen.name
    }
  }
}

/// A value rounded to the given number of decimals.
func fixed(_ value: Double, _ decimals: Int) -> String {
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let scaled = (abs(value) * scale).rounded()
  // Swift itself shows a value without decimals if it is too large for an integer.
  guard scaled < 9e18 else { return "\(value)" }
  let number = UInt64(scaled)
  let divisor = UInt64(scale)
  var text = value < 0 && number > 0 ? "-" : ""
  text += String(number / divisor)
  if decimals > 0 {
    let fraction = String(number % divisor)
    text += "." + String(repeating: "0", count: decimals - fraction.utf8.count) + fraction
  }
  return text
}
