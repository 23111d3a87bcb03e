import FuzzTargets
import PayloadFormat
import TestSupport
import Testing

@Suite struct ManifestTests {
  private static func header(_ parent: Int, _ name: String, mode: UInt16 = 0o644)
    -> ManifestBuilder.Header
  {
    ManifestBuilder.Header(
      parent: parent, name: [UInt8](name.utf8), mode: mode, modifiedSeconds: -5,
      modifiedNanoseconds: 999_999_999)
  }

  private static let hash = Digest(noise(32).span, at: 0)

  /// A root with a directory, two files that share a segment, a file with a hole, an empty file, a symlink
  /// and a hard link.
  private static func sample() -> [UInt8] {
    var builder = ManifestBuilder()
    builder.append(
      Manifest.Frame(offset: 0, storedLength: 40, rawLength: 100, codec: .zstd, hash: hash))
    builder.append(
      Manifest.Frame(offset: 40, storedLength: 8, rawLength: 8, codec: .store, hash: hash))
    builder.appendDirectory(header(0, "", mode: 0o755))
    builder.appendFile(header(0, "a"), size: 60, segments: 0..<1, hash: hash)
    builder.appendDirectory(header(0, "d", mode: 0o700))
    builder.appendFile(header(0, "same"), size: 60, segments: 0..<1, hash: hash)
    builder.appendFile(header(2, "empty"), size: 0, segments: 0..<0, hash: hash)
    builder.appendHardLink(parent: 2, name: [0x68], target: 1)
    builder.appendFile(header(2, "holes"), size: 1048, segments: 1..<4, hash: hash)
    builder.appendSymlink(header(2, "link", mode: 0), target: [UInt8]("../a".utf8))
    builder.append(Manifest.Segment(frame: 0, offset: 0, length: 60))
    builder.append(Manifest.Segment(frame: 0, offset: 60, length: 40))
    builder.append(Manifest.Segment(frame: nil, offset: 0, length: 1000))
    builder.append(Manifest.Segment(frame: 1, offset: 0, length: 8))
    return builder.encoded()
  }

  private func path(_ manifest: Manifest, _ index: Int) -> String {
    String(decoding: manifest.path(of: index), as: UTF8.self)
  }

  @Test func roundTripOfEntries() throws {
    let manifest = try Manifest(parsing: ManifestTests.sample())
    #expect(
      (0..<manifest.entryCount).map { path(manifest, $0) }
        == ["", "a", "d", "same", "d/empty", "d/h", "d/holes", "d/link"])
    #expect(
      (0..<manifest.entryCount).map { manifest.entry($0).type }
        == [.directory, .file, .directory, .file, .file, .hardLink, .file, .symlink])
    #expect(manifest.entry(2).mode == 0o700)
    #expect(manifest.entry(1).segments == manifest.entry(3).segments)
    #expect(manifest.entry(4).segments.isEmpty)
    #expect(manifest.entry(5).hardLinkTarget == 1)
    #expect(manifest.entry(6).segments == 1..<4)
    #expect(manifest.entry(6).hash == ManifestTests.hash)
    #expect(manifest.entry(6).modifiedSeconds == -5)
    #expect(manifest.entry(6).modifiedNanoseconds == 999_999_999)
    #expect(Array(manifest.target(of: manifest.entry(7))) == [UInt8]("../a".utf8))
    #expect(manifest.target(of: manifest.entry(6)).isEmpty)
  }

  @Test func roundTripOfFramesAndSegments() throws {
    let manifest = try Manifest(parsing: ManifestTests.sample())
    #expect(manifest.frameCount == 2)
    #expect(
      manifest.frame(0)
        == Manifest.Frame(
          offset: 0, storedLength: 40, rawLength: 100, codec: .zstd, hash: ManifestTests.hash))
    #expect(manifest.frame(1).offset == 40)
    #expect(manifest.frame(1).codec == .store)
    #expect(manifest.segmentCount == 4)
    #expect(manifest.segment(1) == Manifest.Segment(frame: 0, offset: 60, length: 40))
    #expect(manifest.segment(2) == Manifest.Segment(frame: nil, offset: 0, length: 1000))
  }

  @Test func sums() throws {
    let manifest = try Manifest(parsing: ManifestTests.sample())
    #expect(manifest.framesLength == 48)
    #expect(manifest.longestStoredFrame == 40)
    #expect(manifest.longestRawFrame == 100)
    #expect(manifest.contentLength == 60 + 60 + 1048)
    #expect(manifest.allocatedLength == 60 + 60 + 48)
    #expect(manifest.fileCount == 4)
    #expect(manifest.directoryCount == 2)
    #expect(manifest.symlinkCount == 1)
    #expect(manifest.hardLinkCount == 1)
  }

  @Test func aRootAlone() throws {
    var builder = ManifestBuilder()
    builder.appendDirectory(ManifestTests.header(0, "", mode: 0o755))
    let manifest = try Manifest(parsing: builder.encoded())
    #expect(manifest.entryCount == 1)
    #expect(manifest.longestRawFrame == 0)
  }

  /// In its own process, because a trap ends it.
  @Test func everyMutationIsRefusedOrStillSound() async {
    await #expect(processExitsWith: .success) {
      for (bytes, _) in mutations(of: ManifestTests.sample()) { checkManifest(bytes) }
    }
  }

  @Test func everyCutIsRefused() {
    let bytes = ManifestTests.sample()
    for count in 0..<bytes.count {
      #expect(throws: FormatError.self) { try Manifest(parsing: Array(bytes[..<count])) }
    }
  }

  @Test func appendedBytesAreRefused() {
    #expect(throws: FormatError.self) { try Manifest(parsing: ManifestTests.sample() + [0]) }
  }

  @Test func digestsKeepTheirBytes() {
    let bytes = noise(40)
    #expect(Digest(bytes.span, at: 8).bytes == Array(bytes[8...]))
    #expect(Digest.zero.bytes == [UInt8](repeating: 0, count: 32))
  }
}
