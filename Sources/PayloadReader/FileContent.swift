public import PayloadFormat
public import Posix

extension Manifest {
  /// The entry of the file at a path from the tree's root; nil if there is no such file.
  public func file(at path: StaticString) -> Entry? {
    let wanted = UnsafeBufferPointer(start: path.utf8Start, count: path.utf8CodeUnitCount)
    for index in 0..<entryCount {
      let entry = entry(index)
      guard entry.type == .file, wanted.reversed().starts(with: name(of: entry).reversed()) else {
        continue
      }
      if self.path(of: index).elementsEqual(wanted) { return entry }
    }
    return nil
  }
}

/// Passes the bytes of a file of the tree to `body`, in order and in parts. Decodes only the frames that hold them.
///
/// - Throws: the failures of `FrameDecoder`, and those of `body`. Some parts may have been passed then.
public func readContent(
  of entry: Manifest.Entry, in payload: Payload, _ manifest: Manifest,
  body: (UnsafeRawBufferPointer) throws(Failure) -> Void
) throws(Failure) {
  let decoder = try FrameDecoder(
    longestStored: manifest.longestStoredFrame, longestRaw: manifest.longestRawFrame)
  for index in entry.segments {
    let segment = manifest.segment(index)
    if let frame = segment.frame {
      let raw = try decoder.decode(frame, of: payload, manifest)
      let end = segment.offset + Int(segment.length)
      try body(UnsafeRawBufferPointer(rebasing: raw[segment.offset..<end]))
    } else {
      // A hole, which is all zeros.
      let zeros = try Buffer(count: 4096)
      var left = segment.length
      while left > 0 {
        let count = min(left, 4096)
        try body(UnsafeRawBufferPointer(rebasing: zeros.bytes[..<Int(count)]))
        left -= count
      }
    }
  }
}
