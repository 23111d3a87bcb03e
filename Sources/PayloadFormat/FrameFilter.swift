/// A change to a frame's raw bytes before compression; the reader undoes it afterwards (docs/format.md,
/// "Filters").
public enum FrameFilter: UInt8, CaseIterable, Sendable {
  case none = 0
  case x86 = 1
  // 2 is not assigned: Tests/Golden uses it as the unknown filter.
  case arm64 = 3
}
