public import PayloadFormat

/// The files of a onefile with their bytes, unpacked and packed, and their owners.
public struct MeasuredTree: Sendable {
  public let manifest: Manifest
  /// The names of the owners: "numpy 2.4.6", "python 3.11" or "static/". They need not be UTF-8.
  public private(set) var owners: [[UInt8]] = []
  /// Stored bytes of frames that hold no file.
  public private(set) var unused: UInt64 = 0

  /// By entry: an index of `owners`; -1 for everything but files.
  private var ownerOfEntry: [Int32]
  private var packedOfEntry: [UInt64]

  /// - Parameter ownerOf: the name of the owner of the file at a path.
  public init(_ manifest: Manifest, ownerOf: ([UInt8]) -> [UInt8]) {
    self.manifest = manifest
    ownerOfEntry = [Int32](repeating: -1, count: manifest.entryCount)
    packedOfEntry = [UInt64](repeating: 0, count: manifest.entryCount)
    var numbers: [[UInt8]: Int32] = [:]
    // A segment belongs to the first file that refers to it.
    var fileOfSegment = [Int32](repeating: -1, count: manifest.segmentCount)
    for index in 0..<manifest.entryCount {
      let entry = manifest.entry(index)
      guard entry.type == .file else { continue }
      let name = ownerOf(manifest.path(of: index))
      let number = numbers[name] ?? Int32(owners.count)
      if number == owners.count {
        numbers[name] = number
        owners.append(name)
      }
      ownerOfEntry[index] = number
      for segment in entry.segments where fileOfSegment[segment] < 0 {
        fileOfSegment[segment] = Int32(index)
      }
    }
    var shares = FrameShares(manifest, segments: fileOfSegment.map { $0 >= 0 })
    for (segment, file) in fileOfSegment.enumerated() where file >= 0 {
      packedOfEntry[Int(file)] += shares.take(manifest, manifest.segment(segment))
    }
    unused = shares.unused
  }

  /// The index of an entry's owner; nil for everything but files.
  public func owner(of entry: Int) -> Int? {
    ownerOfEntry[entry] < 0 ? nil : Int(ownerOfEntry[entry])
  }

  /// The bytes of a file in the onefile: a share of each of its frames in proportion to the raw bytes. Content that
  /// several files share counts for the first. 0 for everything but files.
  public func packed(_ entry: Int) -> UInt64 { packedOfEntry[entry] }
}
