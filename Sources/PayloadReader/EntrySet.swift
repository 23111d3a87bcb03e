public import PayloadFormat

/// A set of a manifest's entries, by their index.
public struct EntrySet: Sendable {
  private var isMember: [Bool]
  public private(set) var isEmpty = true

  /// Creates an empty set for `count` entries.
  public init(count: Int) { isMember = [Bool](repeating: false, count: count) }

  /// - Precondition: `index` is below the number of entries.
  public func contains(_ index: Int) -> Bool { isMember[index] }

  /// - Precondition: `index` is below the number of entries.
  public mutating func insert(_ index: Int) {
    isMember[index] = true
    isEmpty = false
  }

  /// These entries and all directories above them except the root, which is index 0.
  func withDirectoriesAbove(_ manifest: Manifest) -> EntrySet {
    var result = self
    // Parents come before their children.
    var index = manifest.entryCount - 1
    while index > 0 {
      if result.contains(index) {
        let parent = manifest.entry(index).parent
        if parent != 0 { result.insert(parent) }
      }
      index -= 1
    }
    return result
  }
}

/// The amount of data written when a tree is unpacked, completely or in part.
public struct UnpackedSize: Sendable {
  /// Bytes of files without holes and without the file system's overhead.
  public private(set) var bytes: UInt64
  public private(set) var fileCount: Int
  /// The number of directories, with the root.
  public private(set) var directoryCount: Int
  public private(set) var symlinkCount: Int

  /// - Parameter only: The entries that are unpacked, with the directories above them; nil: all.
  public init(_ manifest: Manifest, only: EntrySet? = nil) {
    bytes = manifest.allocatedLength
    fileCount = manifest.fileCount
    directoryCount = manifest.directoryCount
    symlinkCount = manifest.symlinkCount
    guard let only else { return }
    bytes = 0
    fileCount = 0
    directoryCount = 1
    symlinkCount = 0
    let made = only.withDirectoriesAbove(manifest)
    for index in 1..<max(1, manifest.entryCount) where made.contains(index) {
      let entry = manifest.entry(index)
      switch entry.type {
      case .directory: directoryCount += 1
      case .symlink: symlinkCount += 1
      case .hardLink: continue
      case .file:
        fileCount += 1
        for number in entry.segments {
          let segment = manifest.segment(number)
          if segment.frame != nil { bytes += segment.length }
        }
      }
    }
  }

  /// The bytes, plus half a block for each file and directory.
  public var bytesNeeded: UInt64 { bytes + UInt64(fileCount + directoryCount) * 2048 }
}
