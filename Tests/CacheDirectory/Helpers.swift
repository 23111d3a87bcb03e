import PayloadFormat
import PayloadReader
import Posix
import TestSupport

@testable import CacheDirectory

/// The sample tree, unpacked to `tree`.
struct UnpackedSample {
  let directory: TemporaryDirectory
  let payload: Payload
  let manifest: Manifest
  let root: FileDescriptorBox

  init(_ onefile: Onefile = Onefile.sample()) throws {
    directory = try TemporaryDirectory()
    payload = try Payload.open(try directory.write("onefile", onefile.encoded()))
    manifest = try payload.readManifest()
    try directory.makeDirectory("tree", mode: 0o700)
    root = FileDescriptorBox(try FileDescriptor.open(directory("tree"), .directory))
    try unpackTree(of: payload, manifest, into: root.handle, modes: .cached, workers: 2)
  }

  func callAsFunction(_ name: String) -> String { "tree/\(name)" }

  let owner = TreeOwner(
    name: [UInt8]("app".utf8), version: [UInt8]("1.0".utf8), bytes: 7, keepDays: 30)

  /// A seal of the tree in its present state.
  func seal(
    bootID: [UInt8] = currentBootID(), isDurable: Bool = false, isNew: Bool = true
  ) throws -> Seal {
    try Seal(
      of: manifest, treeID: payload.treeID, owner: owner, in: root.handle, isNew: isNew,
      place: Place(directory("cache"), seenBy: 7), bootID: bootID, isDurable: isDurable)
  }
}

/// Keeps a descriptor open for a suite, which is a copyable type.
final class FileDescriptorBox: Sendable {
  private let descriptor: FileDescriptor
  var handle: DirectoryHandle { descriptor.handle }

  init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}

let silent = CacheObserver(unpacking: { _, _ in }, checking: { _, _ in }, waiting: {})
