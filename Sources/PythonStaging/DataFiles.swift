import AppSpec
import BuildTools
import OutputFiles
import Posix

/// The application's own files.
struct DataFiles {
  var spec: Spec
  /// The root of data files.
  var root: Path

  /// Copies the spec's data files, and the scripts that are launched.
  func add() throws(Failure) {
    for data in spec.data {
      try located(data.source.place) { () throws(Failure) in try add(data) }
    }
    for program in spec.launch.programs {
      if case .script(let path) = program.value {
        try located(program.place) { () throws(Failure) in try addScript(spec.resolve(path)) }
      }
    }
  }

  private func addScript(_ source: Path) throws(Failure) {
    guard exists(source) else {
      throw .failed(nil, "the script \(source.quoted) does not exist")
    }
    let target = root.appending(source.lastComponent)
    try removeIfPresent(target)
    try copyFile(source, to: target)
  }

  private func add(_ data: Spec.Data) throws(Failure) {
    let source = spec.resolve(data.source.value)
    guard exists(source) else {
      throw .failed(nil, "the data source \(source.quoted) does not exist: correct data.source")
    }
    let relative = data.target.value
    let target = relative.isEmpty ? root : root.appending(relative.bytes)
    if isDirectory(source) {
      let exclude = data.exclude.map { Pattern($0.value) }
      try copyTree(source, to: target, follow: true) { path in
        path.lastComponent != [UInt8]("__pycache__".utf8)[...]
          && !exclude.contains { $0.matches(path.bytes) }
          // The output may be below the source, with the stage of this build or of another.
          && !Stage.isStage(source.appending(path.bytes))
      }
    } else {
      // If the target is an existing directory or the root, the file goes into it.
      let file = isDirectory(target) ? target.appending(source.lastComponent) : target
      try createDirectories(file.parent)
      try removeIfPresent(file)
      try copyFile(source, to: file)
    }
  }
}

/// Checks that `launch.executable` is in the tree.
func checkExecutable(_ path: Path, at place: SpecPlace, in root: Path) throws(Failure) {
  guard exists(root.appending(path.bytes)) else {
    throw .failed(place, "there is no \(path.quoted) in the tree: correct 'executable'")
  }
}
