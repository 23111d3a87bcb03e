import Glibc
import OutputFiles
import Posix
import TestSupport
import Testing

@Suite struct StageTests {
  private let directory: TemporaryDirectory
  private let mark = [UInt8]("onefold stage 1\n".utf8)

  init() throws { directory = try TemporaryDirectory() }

  @Test func aStageIsRemovedWithItsOwner() throws {
    do {
      let stage = try Stage(beside: directory("output"))
      #expect(try names(in: directory.path).count == 1)
      let file = try FileDescriptor.open(stage.path.appending("file"), .createNew, mode: 0o600)
      try file.close()
      #expect(Stage.isStage(stage.path))
    }
    #expect(try directory.list() == [])
  }

  @Test func oneThatIsKeptStays() throws {
    do {
      let stage = try Stage(beside: directory("output"))
      stage.keep()
      #expect(!Stage.isStage(stage.path))
    }
    Stage.reclaim(in: directory.path)
    #expect(try directory.list().count == 1)
  }

  @Test func stagesThatNobodyHoldsAreReclaimed() throws {
    let held = try Stage(beside: directory("output"))
    try directory.write(".left.0123456789abcdef/onefold-stage", mark)
    try directory.write(".left.0123456789abcdef/tree/file", mode: 0o400)
    Stage.reclaim(in: directory.path)
    #expect(try directory.list() == [[UInt8](held.path.lastComponent)].map { Path($0).string })
  }

  /// Each lacks a property of a stage.
  @Test func nothingElseIsRemoved() throws {
    try directory.write(".no-mark.0123456789abcdef/file")
    try directory.write(".other-mark.0123456789abcdef/onefold-stage", mark + mark)
    try directory.write("name.0123456789abcdef/onefold-stage", mark)
    try directory.write(".short.0123456789abcde/onefold-stage", mark)
    try directory.write(".upper.0123456789ABCDEF/onefold-stage", mark)
    try directory.write(".file.0123456789abcdef", mark)
    try directory.write(".open.0123456789abcdef/onefold-stage", mark, mode: 0o666)
    #expect(chmod(directory(".open.0123456789abcdef/onefold-stage").string, 0o666) == 0)
    try directory.symlink(".link.0123456789abcdef", to: ".no-mark.0123456789abcdef")
    let before = try directory.list()
    Stage.reclaim(in: directory.path)
    #expect(try directory.list() == before)
  }
}
