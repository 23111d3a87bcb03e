import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import CacheDirectory

@Suite struct KeptManifestTests {
  private let sample: UnpackedSample
  private let place: FileDescriptorBox

  init() throws {
    sample = try UnpackedSample()
    place = FileDescriptorBox(try FileDescriptor.open(sample.directory("."), .directory))
  }

  private func read(_ bytes: [UInt8], treeID: Digest? = nil) throws -> Manifest? {
    try? removeTree(KeptManifest.fileName, in: place.handle)
    let file = try FileDescriptor.open(
      KeptManifest.fileName, in: place.handle, .createNew, mode: 0o644)
    try file.write(bytes)
    return KeptManifest.read(in: place.handle, treeID: treeID ?? sample.payload.treeID)
  }

  private func written() throws -> [UInt8] {
    try KeptManifest.write(of: sample.payload, in: place.handle)
    let file = try FileDescriptor.open(KeptManifest.fileName, in: place.handle, .read)
    return try file.bytes(at: 0, count: 1 << 20)
  }

  @Test func whatIsWrittenIsRead() throws {
    #expect(!KeptManifest.exists(in: place.handle))
    _ = try written()
    #expect(KeptManifest.exists(in: place.handle))
    let manifest = try #require(
      KeptManifest.read(in: place.handle, treeID: sample.payload.treeID))
    #expect(manifest.entryCount == sample.manifest.entryCount)
    for index in 0..<manifest.entryCount {
      #expect(manifest.entry(index) == sample.manifest.entry(index))
    }
  }

  @Test func anotherTreeIsNotBelieved() throws {
    let bytes = try written()
    #expect(try read(bytes) != nil)
    #expect(try read(bytes, treeID: sample.manifest.frame(0).hash) == nil)
  }

  /// Every length, and every byte changed, also of the header, which no hash covers.
  @Test func damageIsNoticed() throws {
    let bytes = try written()
    for length in 0..<bytes.count { #expect(try read([UInt8](bytes[..<length])) == nil) }
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0xFF
      #expect(try read(damaged) == nil, "byte \(index)")
    }
    #expect(try read(bytes + [0]) == nil)
  }
}
