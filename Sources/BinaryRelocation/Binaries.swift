public import AppSpec
import BuildTools
public import Posix

/// What a program or library is to its tree, which no ELF file says.
public struct BinaryRole: Sendable {
  /// The name of the package it came with. Files of one package may load one another's libraries without a search path.
  /// Empty for the files that all packages need.
  public var package: String
  /// Whether it is a program that loads the other binaries while it runs. What it loads is found along its `DT_RPATH`.
  public var isHost: Bool
  /// Names of libraries that glibc opens while the binary runs, beside those that the file needs.
  public var lateNeeds: [String]
  /// Whether it opens libraries by names that other code gives. With a `DT_RUNPATH` of its own it would not look along the
  /// host's `DT_RPATH`.
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
  /// The directory on the build machine that it was copied from; nil for what was in the tree.
  var source: Path?
  /// What each name in `elf.needed`, and then in `role.lateNeeds`, leads to, in that order.
  var needs: [Resolution] = []
  /// Names in `elf.needed` that are paths, which the loader would open as they are, and what to write instead.
  var renames: [(from: String, to: String)] = []
  /// The search path to write; nil where it stays.
  var newSearchPath: [String]?

  var isToRelink: Bool { newSearchPath != nil || !renames.isEmpty }
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
  /// Files that begin as ELF files do, but are damaged; why.
  var damaged: [String] = []
}

extension Path {
  /// The order of bytes.
  public func precedes(_ other: Path) -> Bool { bytes.lexicographicallyPrecedes(other.bytes) }
}

extension ElfFile {
  /// Whether it is for the target's processor.
  public func runs(on target: Target) -> Bool {
    is64Bit && isLittleEndian && machine.processor == target.processor
  }

  /// "aarch64", "i686"; nil for what no Linux system runs on. A 32-bit x86_64 program is for the x32 ABI.
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
