public import Posix

/// The files of the checkout that the tests read.
public enum Repository {
  /// The top level.
  public static let root: Path = Path(#filePath).parent.parent.parent

  public static func path(_ relative: String) -> Path { root.appending(relative.utf8) }

  public static func text(_ relative: String) throws -> String {
    String(decoding: try readFile(path(relative)), as: UTF8.self)
  }

  /// The expected text of a file. If `ONEFOLD_RECORD` is set, `text` is written to the file first.
  public static func snapshot(_ relative: String, _ text: String) throws -> String {
    if ProcessContext.environment("ONEFOLD_RECORD") != nil {
      try removeTree(path(relative), in: .current)
      let file = try FileDescriptor.open(path(relative), .createNew, mode: 0o644)
      try file.write([UInt8](text.utf8))
    }
    return try self.text(relative)
  }

  /// The paths of the files below `directory` with this suffix, relative to the top level and sorted.
  public static func files(below directory: String, suffix: String) throws -> [String] {
    var result: [String] = []
    for name in try names(in: path(directory)) {
      let file = "\(directory)/\(name)"
      if try DirectoryHandle.current.status(of: path(file)).kind == .directory {
        result += try files(below: file, suffix: suffix)
      } else if name.hasSuffix(suffix) {
        result.append(file)
      }
    }
    return result
  }
}

/// The names in a directory, sorted.
public func names(in directory: Path) throws -> [String] {
  try DirectoryHandle.current.names(in: directory)
    .map { String(decoding: $0, as: UTF8.self) }.sorted()
}

public func readFile(_ path: Path) throws -> [UInt8] {
  let file = try FileDescriptor.open(path, .read)
  return try file.bytes(at: 0, count: Int(try file.status().size))
}
