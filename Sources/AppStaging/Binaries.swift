import AppSpec
import BinaryInspection
import Posix

/// A program or library of the tree.
struct Binary: Sendable {
  /// Relative to the root.
  var path: Path
  var elf: ElfFile
  var status: FileStatus
  /// The directory on the build machine that it was copied from; nil for what was in the tree.
  var source: Path?
  /// What each name in `elf.needed`, and then in `unwrittenNeeds`, leads to, in that order.
  var needs: [Resolution] = []
  /// Names in `elf.needed` that are paths, which the loader would open as they are, and what to write instead.
  var renames: [(from: String, to: String)] = []
  /// The search path to write; nil where it stays.
  var newSearchPath: [String]?

  var isToRelink: Bool { newSearchPath != nil || !renames.isEmpty }

  /// A program in `bin` that is named as an interpreter: "python3.11".
  var isInterpreter: Bool {
    elf.isProgram && path.string.split(separator: "/").count == 2
      && path.string.hasPrefix("bin/python")
  }

  /// The module of the standard library that it implements.
  var standardModule: String? {
    let parts = path.string.split(separator: "/")
    guard parts.count > 1, parts[parts.count - 2] == "lib-dynload" else { return nil }
    return parts[parts.count - 1].split(separator: ".").first.map(String.init)
  }

  /// What it belongs to: the top-level name in a directory of packages without what distributions add for their
  /// libraries ("numpy" for "numpy.libs"); empty for the interpreter's own.
  var distribution: String {
    let parts = path.string.split(separator: "/")
    guard let packages = parts.lastIndex(where: isPackageDirectory), packages + 1 < parts.count
    else {
      return ""
    }
    return parts[packages + 1].split(separator: ".").first.map(String.init) ?? ""
  }
}

/// What a needed library's name leads to when the tree runs.
enum Resolution: Equatable {
  /// The target system's.
  case system
  /// A binary that its own search path leads to.
  case own(Int)
  /// A binary in the tree's `lib`.
  case library(Int)
  /// A binary of the tree that something else must have loaded.
  case elsewhere(Int)
  case missing

  var binary: Int? {
    switch self {
    case .own(let index), .library(let index), .elsewhere(let index): return index
    case .system, .missing: return nil
    }
  }
}

/// All programs and libraries of a tree, sorted by path.
struct TreeBinaries: Sendable {
  var native: [Binary] = []
  /// For other processors.
  var others: [Binary] = []
  var foreign: [Path] = []
  var damaged: [String] = []
}

/// Whether distributions are installed in directories of this name: "site-packages", or Debian's "dist-packages".
func isPackageDirectory(_ name: Substring) -> Bool {
  name == "site-packages" || name == "dist-packages"
}

extension Path {
  /// The order of bytes.
  func precedes(_ other: Path) -> Bool { bytes.lexicographicallyPrecedes(other.bytes) }
}

extension ElfFile {
  /// Whether it is for the target's processor.
  func runs(on target: Target) -> Bool {
    is64Bit && isLittleEndian && machine.processor == target.processor
  }
}

/// Reads every program and library of the tree.
func findBinaries(in request: RelocationRequest) throws(Failure) -> TreeBinaries {
  let root = try FileDescriptor.open(request.root, .directoryFollow)
  var files: [Path] = []
  try listFiles(Path(), root.handle, &files)
  let paths = files.sorted { $0.precedes($1) }
  let found = ParallelResults<Found>(count: paths.count)
  try forEach(paths.count, request.workers) { index throws(Failure) in
    found[index] = try examine(paths[index], in: request.root)
  }
  var result = TreeBinaries()
  for index in paths.indices {
    switch found[index] {
    case .binary(let binary) where binary.elf.runs(on: request.target): result.native.append(binary)
    case .binary(let binary): result.others.append(binary)
    case .damaged(let why): result.damaged.append(why)
    case nil: break
    }
  }
  return result
}

private enum Found: Sendable {
  case binary(Binary)
  case damaged(String)
}

private func listFiles(_ directory: Path, _ root: DirectoryHandle, _ files: inout [Path])
  throws(Failure)
{
  let names = try root.names(in: directory.isEmpty ? Path(".") : directory)
  for name in names {
    let path = directory.appending(name)
    let status = try root.status(of: path)
    switch status.kind {
    case .directory: try listFiles(path, root, &files)
    case .file where status.size > 4: files.append(path)
    default: break
    }
  }
}

private func examine(_ path: Path, in root: Path) throws(Failure) -> Found? {
  let full = root.appending(path.bytes)
  let elf: ElfFile?
  do throws(Failure) {
    elf = try ElfFile.read(full)
  } catch {
    guard error.kind == .damaged else { throw error }
    return .damaged("\(path.quoted) is a damaged ELF file and stays as it is: \(error.text)")
  }
  guard let elf, elf.kind == .executable || elf.kind == .shared else { return nil }
  let status = try DirectoryHandle.current.status(of: full)
  return .binary(Binary(path: path, elf: elf, status: status))
}
