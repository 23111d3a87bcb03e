import PayloadFormat
import TestSupport
import Testing

@testable import PayloadReader

/// The order in which frames are handed out.
@Suite struct FramePlanTests {
  private func manifest(lengths: [Int]) throws -> Manifest {
    var onefile = Onefile()
    for (index, length) in lengths.enumerated() {
      onefile.add("\(Character(UnicodeScalar(UInt8(97 + index))))", content: noise(length))
    }
    return try Manifest(parsing: onefile.manifest())
  }

  @Test func longFramesComeFirst() throws {
    let plan = FramePlan(try manifest(lengths: [10, 400, 20, 800, 100]))
    #expect(plan.frames == [3, 1, 0, 2, 4])
  }

  @Test func framesOfAboutTheSameLengthComeInTheOrderOfTheFile() throws {
    let plan = FramePlan(try manifest(lengths: [790, 800, 710, 795]))
    #expect(plan.frames == [0, 1, 2, 3])
  }

  @Test func onlyFramesThatHoldWhatIsWanted() throws {
    let manifest = try manifest(lengths: [10, 400, 800])
    var wanted = EntrySet(count: manifest.entryCount)
    wanted.insert(1)
    wanted.insert(3)
    #expect(FramePlan(manifest, only: wanted).frames == [2, 0])
  }

  @Test func aPayloadWithoutContentHasNoFrames() throws {
    #expect(FramePlan(try manifest(lengths: [])).frames.isEmpty)
  }
}
