import CLZMA
import ContentHash
import PayloadFormat
import Posix

@testable import CacheDirectory

/// A seal is refused, or can be compared with a directory and written again.
///
/// It gets the right hash and checksum, so that the input tests the fields.
public func checkSeal(_ bytes: [UInt8]) {
  guard bytes.count >= 128 else { return }
  var bytes = bytes
  let sum = lzma_crc32(Array(bytes[128...]), bytes.count - 128, 0)
  for index in 0..<4 { bytes[64 + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(index))) }
  let hash = SHA256Hasher.digest(of: bytes.span.extracting(0..<96))
  bytes.replaceSubrange(96..<128, with: hash.bytes)

  let place = Workshop.shared
  place.write(bytes, to: "seal")
  do throws(Failure) {
    let directory = try FileDescriptor.open(place(""), .directory)
    let treeID = Digest(bytes.span, at: 16)
    let seal = Seal.read(in: directory.handle, treeID: treeID, withTable: true)
    let header = Seal.read(in: directory.handle, treeID: treeID, withTable: false)
    precondition(seal == nil || header != nil)
    guard let seal else { return }
    precondition(seal.treeID == treeID)
    _ = seal.directoriesMatch(in: directory.handle)
    place.write(seal.encoded(), to: "seal")
    let again = Seal.read(in: directory.handle, treeID: treeID, withTable: true)
    precondition(again != nil && again?.encoded() == seal.encoded())
  } catch { preconditionFailure("\(error.description.string)") }
}
