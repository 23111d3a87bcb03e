/// The system that a onefile runs on: Linux on one CPU architecture.
public struct Target: Hashable, Sendable {
  /// The name in `uname -m`: "aarch64".
  public let processor: String

  private init(processor: String) { self.processor = processor }

  /// The targets with a bootloader.
  public static let all = ["x86_64", "aarch64"].map { Target(processor: $0) }

  /// The machine that this program runs on.
  #if arch(arm64)
    public static let native = Target(processor: "aarch64")
  #else
    public static let native = Target(processor: "x86_64")
  #endif

  /// "aarch64-linux": the name in launch records, in specs and of bootloaders.
  public var name: String { "\(processor)-linux" }
  /// "aarch64-unknown-linux-gnu": the target triple of Rust and LLVM, which Tauri appends to the names of sidecars.
  public var triple: String { "\(processor)-unknown-linux-gnu" }
  /// "aarch64-linux-gnu": the name of Debian's library directories.
  public var multiarch: String { "\(processor)-linux-gnu" }

  /// Parses `name`, `triple` or `multiarch`, also with other common names of the architecture ("arm64", "amd64").
  ///
  /// - Throws: the message, without a place, if the text is none of them.
  public init(_ text: String) throws(SpecError) {
    guard let target = Target.all.first(where: { $0.names.contains(text) }) else {
      throw SpecError(.none, Target.unknown(text))
    }
    self = target
  }

  private var processors: [String] { [processor] + (Target.otherNames[processor] ?? []) }

  /// All texts that `init(_:)` accepts.
  var names: [String] {
    processors.flatMap {
      ["\($0)-linux", "\($0)-unknown-linux-gnu", "\($0)-linux-gnu"]
    }
  }

  private static let otherNames = ["x86_64": ["amd64"], "aarch64": ["arm64"]]

  private static func unknown(_ text: String) -> String {
    let start = "unknown target \(quoted(text))"
    if ["windows", "darwin", "apple", "macos"].contains(where: text.contains) {
      return "\(start): Onefold makes Linux programs only; build the sidecars of other systems "
        + "with their own tools"
    }
    let meant = all.first { $0.processors.contains(text.lowercased()) }?.name
    if let name = meant ?? nearest(to: text, in: all.flatMap(\.names)) {
      return "\(start); did you mean '\(name)'?"
    }
    return "\(start): give \(alternatives(all.map { "'\($0.name)'" }))"
  }
}
