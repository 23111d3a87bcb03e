import BuildTools
import Posix
import TestSupport
import Testing

/// Copies that follow symlinks.
@Suite struct FollowedLinksTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func refusal(excluding excluded: String? = nil) throws -> String? {
    do throws(Failure) {
      try copyTree(directory("data"), to: directory("copy"), follow: true) {
        $0.string != excluded
      }
      return nil
    } catch {
      #expect(try !directory.exists("copy"), "something was copied")
      return error.description.string
    }
  }

  @Test(arguments: [
    ("loop", "."), ("sub/loop", ".."), ("sub/loop", "../sub"), ("up", ".."),
    ("sub/deep/loop", "../.."),
  ])
  func aLinkThatHoldsItselfIsNamed(_ name: String, _ target: String) throws {
    try directory.write("data/file")
    try directory.write("data/sub/deep/file")
    try directory.symlink("data/\(name)", to: target)
    let text = try #require(try refusal())
    #expect(text.contains("the symlink '\(directory("data/\(name)").string)' leads to"))
    #expect(text.utf8.count < 400)
    #expect(try refusal(excluding: name) == nil)
  }

  @Test func twoLinksThatHoldEachOther() throws {
    try directory.write("data/a/file")
    try directory.write("data/b/file")
    try directory.symlink("data/a/b", to: "../b")
    try directory.symlink("data/b/a", to: "../a")
    #expect(try #require(try refusal()).contains("/data/a/b"))
  }

  /// 2^30 files without a cycle.
  @Test func linksThatMultiplyAreRefused() throws {
    try directory.write("data/d0/file")
    for number in 1...30 {
      try directory.symlink("data/d\(number)/a", to: "../d\(number - 1)")
      try directory.symlink("data/d\(number)/b", to: "../d\(number - 1)")
    }
    #expect(try #require(try refusal()).contains("multiply"))
  }

  @Test func linksToTheSameDirectoryAreCopies() throws {
    try directory.write("data/real/file", [1])
    for number in 0..<50 { try directory.symlink("data/link\(number)", to: "real") }
    try directory.symlink("data/dangling", to: "nowhere")
    #expect(try refusal() == nil)
    #expect(try TestSupport.readFile(directory("copy/link49/file")) == [1])
    #expect(try directory.status("copy/link49").kind == .directory)
  }
}
