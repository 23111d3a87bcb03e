import ContentHash
import PayloadFormat
import PayloadReader
import Posix

/// Reads a onefile: it is refused, or extracted.
///
/// Extraction writes nothing outside of the target, and a refused onefile leaves nothing behind. A onefile that
/// `verify` accepts can be extracted.
///
/// The input is u16 length of the record, u16 length of the frames, record, frames, and the manifest's raw bytes. The
/// rest of the file is made from them. It has the right hashes of the frames, so that the input tests the rules instead
/// of the hashes.
public func checkArchive(_ bytes: [UInt8]) {
  guard let file = onefile(bytes) else { return }
  let place = Workshop.shared
  place.write(file, to: "onefile")
  guard let payload = try? Payload.open(place("onefile")) else { return }

  let manifest: Manifest
  do throws(Failure) { manifest = try payload.readManifest() } catch {
    // As for all readers: the same error, and no leftovers.
    precondition(isFormatError(error) && extractionError(payload, place) != nil)
    place.requireNothingElse(["onefile"])
    return
  }
  // Larger ones would only take time.
  guard manifest.contentLength <= 1 << 24 else { return }
  var isVerified = false
  do throws(Failure) {
    _ = try verify(payload)
    isVerified = true
  } catch { precondition(isFormatError(error)) }

  if let error = extractionError(payload, place) {
    precondition(!isVerified, "what was verified can't be extracted")
    precondition(isFormatError(error))
    place.requireNothingElse(["onefile"])
  } else {
    place.requireNothingElse(["onefile", "target"])
    place.requireTree("target", manifest)
    place.remove("target")
  }
}

private func extractionError(_ payload: Payload, _ place: Workshop) -> Failure? {
  do throws(Failure) {
    _ = try extract(payload, to: place("target"))
    return nil
  } catch { return error }
}

private func isFormatError(_ error: Failure) -> Bool {
  switch error.kind {
  case .format, .damaged: true
  default: false
  }
}

// MARK: The file

/// A onefile from parts that need not match; nil if the input is too short for the lengths.
private func onefile(_ bytes: [UInt8]) -> [UInt8]? {
  guard bytes.count >= 4 else { return nil }
  let rest = bytes.count - 4
  let recordLength = min(Int(bytes[0]) | Int(bytes[1]) << 8, rest)
  let framesLength = min(Int(bytes[2]) | Int(bytes[3]) << 8, rest - recordLength)
  let record = [UInt8](bytes[4..<4 + recordLength])
  let frames = [UInt8](bytes[4 + recordLength..<4 + recordLength + framesLength])
  let manifest = withFrameHashes([UInt8](bytes[(4 + recordLength + framesLength)...]), frames)

  var file = [UInt8](repeating: 0, count: 4096)
  let prefixHash = SHA256Hasher.digest(of: file.span)
  file += frames + manifest + record
  let trailer = Trailer(
    manifestCodec: .store, bootloaderLength: 64, framesLength: UInt64(frames.count),
    manifestStoredLength: UInt64(manifest.count), manifestRawLength: UInt64(manifest.count),
    recordLength: UInt64(record.count), prefixHash: prefixHash,
    manifestHash: SHA256Hasher.digest(of: manifest.span),
    recordHash: SHA256Hasher.digest(of: record.span))
  let hashed = trailer.encodedWithoutHash()
  return file + hashed + SHA256Hasher.digest(of: hashed.span).bytes
}

/// The manifest with the right hashes for the frames in its first section, as far as they exist.
private func withFrameHashes(_ manifest: [UInt8], _ frames: [UInt8]) -> [UInt8] {
  guard manifest.count >= 40, manifest[16] == 1 else { return manifest }
  let start = number(manifest, 24)
  let length = number(manifest, 32)
  guard start <= manifest.count && length <= manifest.count - start else { return manifest }
  var result = manifest
  for row in stride(from: start, to: start + length - length % 64, by: 64) {
    let offset = number(manifest, row)
    let stored = number(manifest, row + 8)
    guard offset <= frames.count && stored <= frames.count - offset else { continue }
    let hash = SHA256Hasher.digest(of: frames.span.extracting(offset..<offset + stored))
    result.replaceSubrange(row + 32..<row + 64, with: hash.bytes)
  }
  return result
}

/// A u64, or `Int.max` if it is larger.
private func number(_ bytes: [UInt8], _ offset: Int) -> Int {
  Int(clamping: littleEndian(bytes, offset))
}

// MARK: The directory

/// Removes all files that the targets of this process wrote. Call this at the end of the process.
public func removeFuzzFiles() { Workshop.shared.removeAll() }

/// A directory in `$TMPDIR` for the targets' files, with a canary that must not change.
final class Workshop: Sendable {
  static let shared = Workshop()

  private let path: Path

  private init() {
    let parent = ProcessContext.environment("TMPDIR") ?? Path("/tmp")
    do throws(Failure) {
      path = parent.appending(try hiddenName(for: Path("onefold-fuzz").bytes).bytes)
      try DirectoryHandle.current.createDirectory(path, mode: 0o700)
      try DirectoryHandle.current.createDirectory(self("canary"), mode: 0o700)
    } catch { preconditionFailure("\(error.description.string)") }
    write([1], to: "canary/file")
  }

  func removeAll() { try? removeTree(path, in: .current) }

  func callAsFunction(_ name: String) -> Path { path.appending(name.utf8) }

  func write(_ bytes: [UInt8], to name: String) {
    do throws(Failure) {
      let current = DirectoryHandle.current
      if try current.statusIfExists(of: self(name)) != nil { try current.removeFile(self(name)) }
      try FileDescriptor.open(self(name), .createNew, mode: 0o600).write(bytes)
    } catch { preconditionFailure("\(error.description.string)") }
  }

  func remove(_ name: String) {
    do throws(Failure) { try removeTree(self(name), in: .current) } catch {
      preconditionFailure("\(error.description.string)")
    }
  }

  /// Checks that the directory holds only the unharmed canary and these names.
  func requireNothingElse(_ names: [String]) {
    let found = try? DirectoryHandle.current.names(in: path).map {
      String(decoding: $0, as: UTF8.self)
    }
    precondition(found?.sorted() == (names + ["canary"]).sorted(), "\(found ?? [])")
    let kept = try? FileDescriptor.open(self("canary/file"), .read).bytes(at: 0, count: 2)
    precondition(kept == [1])
    precondition(try! DirectoryHandle.current.names(in: self("canary")).count == 1)
  }

  /// Checks that the tree has exactly the entries of the manifest, each of its type.
  func requireTree(_ name: String, _ manifest: Manifest) {
    let root = self(name)
    var count = 0
    var waiting = [root]
    // Only root can enter directories without permissions.
    while let directory = waiting.popLast() {
      guard let names = try? DirectoryHandle.current.names(in: directory) else { return }
      for name in names {
        count += 1
        let child = directory.appending(name)
        if (try? DirectoryHandle.current.status(of: child).kind) == .directory {
          waiting.append(child)
        }
      }
    }
    precondition(count == manifest.entryCount - 1)
    for index in 1..<max(1, manifest.entryCount) {
      let kind = try? DirectoryHandle.current.status(of: root.appending(manifest.path(of: index)))
        .kind
      switch manifest.entry(index).type {
      case .directory: precondition(kind == .directory)
      case .file, .hardLink: precondition(kind == .file)
      case .symlink: precondition(kind == .symlink)
      }
    }
  }
}
