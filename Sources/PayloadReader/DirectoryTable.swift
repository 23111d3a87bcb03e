import PayloadFormat
import Posix

/// The directories of a tree that is being unpacked. All are created at once, and most are kept open, so that a
/// file is opened by its name alone.
///
/// Parents come before their children in a manifest. So if not all directories can be kept open, the shallow ones
/// are, and a short path leads from them to the deep ones.
final class DirectoryTable: Sendable {
  /// The descriptor of each directory entry; -1 for directories that are not kept open and for other entries.
  private let descriptors: [Int32]
  private let root: DirectoryHandle

  /// Creates all directories below `root` with mode 0700; with `only`, just those of these entries.
  init(
    _ manifest: Manifest, only: EntrySet? = nil, root: DirectoryHandle, mostOpen: Int
  ) throws(Failure) {
    self.root = root
    var descriptors = [Int32](repeating: -1, count: manifest.entryCount)
    var opened = 0
    var failure: Failure? = nil
    var name = Path()
    for index in 1..<max(1, manifest.entryCount) {
      let entry = manifest.entry(index)
      guard entry.type == .directory, only?.contains(index) ?? true else { continue }
      let parent = DirectoryTable.locate(
        entry, of: manifest, among: descriptors, below: root, name: &name)
      do throws(Failure) {
        try parent.createDirectory(name, mode: 0o700)
        if opened < mostOpen {
          let directory = try FileDescriptor.open(name, in: parent, .directory)
          descriptors[index] = directory.release()
          opened += 1
        }
      } catch {
        failure = error
        break
      }
    }
    self.descriptors = descriptors
    if let failure { throw failure }
  }

  deinit {
    for descriptor in descriptors where descriptor >= 0 {
      _ = FileDescriptor(owning: descriptor, path: Path())
    }
  }

  /// Returns the open directory from which `entry` is reached; `name` becomes its path from there.
  func locate(_ entry: Manifest.Entry, of manifest: Manifest, name: inout Path) -> DirectoryHandle {
    DirectoryTable.locate(entry, of: manifest, among: descriptors, below: root, name: &name)
  }

  private static func locate(
    _ entry: Manifest.Entry, of manifest: Manifest, among descriptors: [Int32],
    below root: DirectoryHandle, name: inout Path
  ) -> DirectoryHandle {
    let parent = entry.parent
    if parent == 0 || descriptors[parent] >= 0 {
      name.replace(with: manifest.name(of: entry))
      return handle(parent, descriptors, root)
    }
    var chain = [entry]
    var next = parent
    while next != 0 && descriptors[next] < 0 {
      let directory = manifest.entry(next)
      chain.append(directory)
      next = directory.parent
    }
    name.truncate(to: 0)
    for element in chain.reversed() {
      if !name.isEmpty { name.append(byte: UInt8(ascii: "/")) }
      name.append(contentsOf: manifest.name(of: element))
    }
    return handle(next, descriptors, root)
  }

  private static func handle(_ index: Int, _ descriptors: [Int32], _ root: DirectoryHandle)
    -> DirectoryHandle
  {
    index == 0 ? root : root.below(borrowing: descriptors[index])
  }

  /// Gives every directory the mode from `mode` and its time, children before their parents, the root last.
  func finish(_ manifest: Manifest, mode: (Manifest.Entry) -> UInt32) throws(Failure) {
    var index = manifest.entryCount - 1
    while index >= 0 {
      let entry = manifest.entry(index)
      if entry.type == .directory { try finish(index, of: manifest, mode: mode(entry)) }
      index -= 1
    }
  }

  private func finish(_ index: Int, of manifest: Manifest, mode: UInt32) throws(Failure) {
    let entry = manifest.entry(index)
    if index == 0 { return try root.settle(entry.modified, mode) }
    if descriptors[index] >= 0 {
      return try root.below(borrowing: descriptors[index]).settle(entry.modified, mode)
    }
    var name = Path()
    let parent = locate(entry, of: manifest, name: &name)
    let directory = try FileDescriptor.open(name, in: parent, .directory)
    try directory.handle.settle(entry.modified, mode)
  }
}
