/// What happens to a frame's raw bytes before compression, and is undone after it (docs/format.md, "Filters").
public enum FrameFilter: UInt8, CaseIterable, Sendable {
  case none = 0
  case x86 = 1
  // 2 is not assigned: it is the unknown filter of Tests/Golden.
  case arm64 = 3
}
