import AppSpec
import BuildTools
import Posix
import Processes

/// How sources are compiled.
struct ByteCodeForm: Sendable {
  /// Whether byte code replaces the source.
  var replacesSource: Bool
  /// Whether to compile nothing.
  var isDropped = false
  /// 0, 1 or 2: the number of `-O` options at launch, because the interpreter looks for no other byte code.
  var optimization: Int

  /// The suffix of a module's file in `__pycache__` (PEP 488).
  func suffix(_ version: PythonVersion) -> String {
    let tag = ".cpython-\(version.major)\(version.minor)"
    return optimization == 0 ? "\(tag).pyc" : "\(tag).opt-\(optimization).pyc"
  }
}

extension ByteCodeForm {
  init(_ spec: Spec) {
    let options = spec.launch.pythonOptions
    replacesSource = spec.prune.dropSources
    isDropped = spec.prune.dropByteCode
    optimization = options.contains("-OO") ? 2 : options.contains("-O") ? 1 : 0
  }
}

/// The byte code in a tree, as paths from its root.
func listByteCode(_ layout: Layout) throws(Failure) -> Set<String> {
  var result = Set<String>()
  for entry in try listTree(layout.root)
  where entry.status.kind == .file && entry.path.bytes.hasSuffix(".pyc") {
    result.insert(entry.path.string)
  }
  return result
}

/// Removes byte code that came with the distributions, for any version of Python.
///
/// Keeps `ours`, and modules that are shipped without their source.
func removeForeignByteCode(_ layout: Layout, ours: Set<String>) throws(Failure) {
  for path in try listByteCode(layout).subtracting(ours) {
    let isCached = path.contains("__pycache__/")
    guard isCached || exists(layout.root.appending(String(path.dropLast()))) else { continue }
    try removeIfPresent(layout.root.appending(path))
    if isCached {
      let directory = layout.root.appending(path).parent
      try? DirectoryHandle.current.removeDirectory(directory)
    }
  }
}

/// Compiles every source without byte code. Returns the paths of sources that fail to compile.
///
/// Byte code depends on what the process compiled before: marshal writes references to shared objects. Each process
/// therefore gets a fixed share of the sources, so that the same tree produces the same bytes.
func compileByteCode(
  _ layout: Layout, _ form: ByteCodeForm, scratch: Path, workers: Int
) throws(Failure) -> [String] {
  guard let compiler = layout.compiler, !form.isDropped else { return [] }
  let suffix = form.suffix(layout.version)
  let sources = try listTree(layout.root).filter { $0.status.kind == .file }.map(\.path.string)
    .filter {
      $0.hasSuffix(".py")
        && ($0.hasPrefix(layout.standardLibrary + "/") || $0.hasPrefix(layout.site + "/"))
    }
  let compiled = try listByteCode(layout)
  let missing = sources.filter { source in
    let path = Path(source)
    let name = String(decoding: path.lastComponent.dropLast(3), as: UTF8.self)
    return !compiled.contains("\(path.parent.string)/__pycache__/\(name)\(suffix)")
  }
  let share = 200
  let shares = stride(from: 0, to: missing.count, by: share).map {
    Array(missing[$0..<min($0 + share, missing.count)])
  }
  let failures = ParallelResults<[String]>(count: shares.count)
  try forEach(shares.count, workers) { (number) throws(Failure) in
    let list = scratch.appending("sources-\(number).txt")
    try writeFile(list, shares[number].joined(separator: "\n"))
    failures[number] = try compile(list, layout, form, with: compiler)
  }
  return shares.indices.flatMap { failures[$0] ?? [] }.sorted()
}

private func compile(
  _ list: Path, _ layout: Layout, _ form: ByteCodeForm, with compiler: Path
) throws(Failure) -> [String] {
  let result = try runProgram(
    compiler,
    [
      // Without site, which can run installed code. -I would ignore the hash seed.
      Path("-s"), Path("-S"), Path("-B"), Path("-W"), Path("ignore"), Path("-c"),
      Path(Helper.compile), list, layout.root, Path(form.replacesSource ? "1" : "0"),
      Path("\(form.optimization)"),
    ],
    // Before Python 3.11, byte code contains the order of sets.
    environment: cleanEnvironment(adding: ["PYTHONHASHSEED=0"]))
  guard result.succeeded else {
    throw .failed(nil, "compiling byte code failed:\n\(lastLines(result.errors))")
  }
  return result.output.split(separator: UInt8(ascii: "\n")).map {
    String(decoding: $0, as: UTF8.self)
  }
}

extension Collection<UInt8> {
  func hasSuffix(_ text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount
      && suffix(text.utf8CodeUnitCount).elementsEqual(
        UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
