import Posix
import TestSupport
import Testing

@testable import AppSpec

@Suite struct TargetTests {
  @Test(arguments: [
    ("aarch64-linux", "aarch64"), ("arm64-linux", "aarch64"), ("aarch64-linux-gnu", "aarch64"),
    ("aarch64-unknown-linux-gnu", "aarch64"), ("x86_64-linux", "x86_64"),
    ("amd64-unknown-linux-gnu", "x86_64"),
  ])
  func namesOfTargets(_ text: String, _ processor: String) throws {
    let target = try Target(text)
    #expect(target.processor == processor)
    #expect(target.name == "\(processor)-linux")
    #expect(target.triple == "\(processor)-unknown-linux-gnu")
  }

  @Test(arguments: [
    ("aarch64", "did you mean 'aarch64-linux'?"), ("", "give 'x86_64-linux' or 'aarch64-linux'"),
    ("ARM64", "did you mean 'aarch64-linux'?"), ("aarch64-linx", "did you mean 'aarch64-linux'?"),
    ("riscv64-unknown-elf", "give"),
    ("aarch64-apple-darwin", "makes Linux programs only"),
  ])
  func otherTextsAreRefused(_ text: String, _ message: String) {
    let error = #expect(throws: SpecError.self) { try Target(text) }
    #expect(error?.message.hasPrefix("unknown target '\(text)'") == true)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  /// The target's table replaces the values of `[python]`. Tables of other targets are ignored.
  @Test func interpretersOfTargets() throws {
    let directory = try TemporaryDirectory()
    try directory.write("arm/x", [1])
    let text = """
      [app]
      name = "app"
      [python]
      version = "3.11"
      prefix = "missing"
      [python.aarch64-linux]
      prefix = "arm"
      [launch]
      module = "app"
      [output]
      target = "arm64-linux"
      """
    try directory.write("onefold.toml", [UInt8](text.utf8))
    let spec = try readSpec(directory.path)
    #expect(spec.target.name == "aarch64-linux")
    #expect(spec.python?.prefix?.value.string == "arm")
    #expect(spec.python?.version?.value == "3.11")
    let error = #expect(throws: SpecError.self) {
      try readSpec(directory.path, target: Target("x86_64-linux"))
    }
    #expect(error?.message.contains("'python.prefix': 'missing' does not exist") == true)
  }

  @Test func thisMachineIsOne() { #expect(Target.all.contains(.native)) }
}
