import Posix

/// A file with a spec, found and parsed.
struct SpecFile: Sendable {
  static let specName = "onefold.toml"
  static let projectName = "pyproject.toml"

  /// The file's name in messages.
  let file: String
  /// Absolute, so that it stays valid in programs that start in another directory.
  let directory: Path
  let table: TOMLTable
  /// The line where the spec begins; 0 if the file is a spec of its own.
  let line: Int
  /// The content of the file; nil for a spec that is in none.
  let bytes: [UInt8]?

  /// Looks in the places that `readSpec` documents.
  init(_ path: Path?) throws(SpecError) {
    guard let path else {
      try self.init(inDirectory: Path())
      return
    }
    switch status(of: path)?.kind {
    case .directory?: try self.init(inDirectory: path)
    case .file?: try self.init(file: path)
    case nil:
      throw SpecError(SpecPlace(file: path.shown, line: 0), "there is no such file or directory")
    default:
      throw SpecError(SpecPlace(file: path.shown, line: 0), "this is not a file or directory")
    }
  }

  /// A spec that is in no file. Its values have no lines.
  init(text: String, shown: String, directory: Path) throws(SpecError) {
    file = shown
    self.directory = absolute(directory)
    table = try TOMLTable(parsing: [UInt8](text.utf8), file: shown).withoutLines
    line = 0
    bytes = nil
  }

  private init(inDirectory directory: Path) throws(SpecError) {
    for name in [SpecFile.specName, SpecFile.projectName] {
      let path = directory.appending(name.utf8)
      if status(of: path) != nil {
        try self.init(file: path)
        return
      }
    }
    throw SpecError(
      SpecPlace(file: directory.isEmpty ? "." : directory.shown, line: 0),
      "there is no onefold.toml and no pyproject.toml here; 'onefold init' writes a first spec")
  }

  private init(file path: Path) throws(SpecError) {
    file = path.shown
    directory = absolute(path.parent)
    guard status(of: path)?.kind == .file else {
      throw SpecError(SpecPlace(file: file, line: 0), "this is not a file")
    }
    let bytes = try readBytes(path, shown: path.shown)
    self.bytes = bytes
    let document = try TOMLTable(parsing: bytes, file: path.shown)
    guard String(decoding: path.lastComponent, as: UTF8.self) == SpecFile.projectName else {
      table = document
      line = 0
      return
    }
    guard let member = ProjectFile(file: file, document: document).spec else {
      throw SpecError(
        SpecPlace(file: file, line: 0),
        "there is no table [tool.onefold] in it; 'onefold init' writes a first spec")
    }
    guard case .table(let spec) = member.value.content else {
      throw SpecError(SpecPlace(file: file, line: member.line), "'tool.onefold' must be a table")
    }
    table = spec
    line = member.line
  }
}

/// The status of a path's target; nil if it does not exist or cannot be examined.
func status(of path: Path) -> FileStatus? {
  try? DirectoryHandle.current.statusIfExists(of: path, follow: true)
}

/// A file's content, cut if it exceeds the limit of a TOML file. `shown` is the file's name in messages.
func readBytes(_ path: Path, shown: String) throws(SpecError) -> [UInt8] {
  do throws(Failure) {
    return try FileDescriptor.open(path, .read).bytes(at: 0, count: TOMLTable.sizeLimit + 1)
  } catch {
    throw SpecError(
      SpecPlace(file: shown, line: 0), "cannot read the file: \(error.errno.description.string)")
  }
}

/// `path` from the root, without ".".
private func absolute(_ path: Path) -> Path {
  let isHere = path.elementsEqual(Path("."))
  let found = isHere ? try? ProcessContext.workingDirectory() : ProcessContext.absolutePath(path)
  return found ?? path
}
