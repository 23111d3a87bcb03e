public import AppSpec
import BuildTools
public import Posix

/// The role of a program or library in its tree. No ELF file contains it.
public struct BinaryRole: Sendable {
  /// The name of the package that brought it; empty for files that all packages need.
  ///
  /// Files of one package can load one another's libraries without a search path.
  public var package: String
  /// Whether it is a program that loads the other binaries at run time. The loader searches its `DT_RPATH` for
  /// everything it loads.
  public var isHost: Bool
  /// Names of libraries that glibc opens while the binary runs, besides those in the file.
  public var lateNeeds: [String]
  /// Whether it opens libraries by names from other code. With its own `DT_RUNPATH`, it would not search the host's
  /// `DT_RPATH`.
  public var opensLibrariesByName: Bool

  public init(
    package: String = "", isHost: Bool = false, lateNeeds: [String] = [],
    opensLibrariesByName: Bool = false
  ) {
    self.package = package
    self.isHost = isHost
    self.lateNeeds = lateNeeds
    self.opensLibrariesByName = opensLibrariesByName
  }
}

/// A program or library of the tree.
public struct Binary: Sendable {
  /// Relative to the root.
  public internal(set) var path: Path
  public internal(set) var elf: ElfFile
  public internal(set) var role: BinaryRole
  var status: FileStatus
  /// The directory on the build machine that it was copied from; nil if it was in the tree.
  var source: Path?
  /// The resolutions of the names in `elf.needed` and then `role.lateNeeds`, in that order.
  var needs: [Resolution] = []
  /// Paths in `elf.needed`, which the loader would open as they are, and the names that replace them.
  var renames: [(from: String, to: String)] = []
  /// The search path to write; nil to keep the old one.
  var newSearchPath: [String]?

  var isToRelink: Bool { newSearchPath != nil || !renames.isEmpty }
}

/// The file that a needed library's name leads to when the tree runs.
enum Resolution: Equatable {
  /// The target system's library.
  case system
  /// A binary that its own search path leads to.
  case own(Int)
  /// A binary in the tree's `lib`.
  case library(Int)
  /// A binary of the tree that another must have loaded before.
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
  /// For other CPU architectures.
  var others: [Binary] = []
  /// Damaged files with an ELF header, and the reasons.
  var damaged: [String] = []
}

extension Path {
  /// Whether this path precedes `other` in byte order.
  public func precedes(_ other: Path) -> Bool { bytes.lexicographicallyPrecedes(other.bytes) }
}

extension ElfFile {
  /// Whether it is for the target's CPU architecture.
  public func runs(on target: Target) -> Bool {
    is64Bit && isLittleEndian && machine.processor == target.processor
  }

  /// "aarch64", "i686"; nil if no Linux system runs on it. A 32-bit x86_64 program is for the x32 ABI.
  public var processorName: String? {
    guard let name = machine.processor else { return nil }
    return machine == .x86_64 && !is64Bit ? "x32" : name
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
    found[index] = try examine(paths[index], request)
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

private func examine(_ path: Path, _ request: RelocationRequest) throws(Failure) -> Found? {
  let full = request.root.appending(path.bytes)
  let elf: ElfFile?
  do throws(Failure) {
    elf = try ElfFile.read(full)
  } catch {
    guard error.kind == .damaged else { throw error }
    return .damaged("\(path.quoted) is a damaged ELF file and stays as it is: \(error.text)")
  }
  guard let elf, elf.kind == .executable || elf.kind == .shared else { return nil }
  let status = try DirectoryHandle.current.status(of: full)
  return .binary(
    Binary(path: path, elf: elf, role: request.role(path, elf), status: status))
}
