import AppSpec
import BuildTools
import Posix
import Processes

/// The PyInstaller features that the application's own sources expect.
struct OwnSources {
  /// The reason to set `sys.frozen`, to be read after "because"; nil if it is not set.
  let reason: String?
  /// Wrong assumptions of the sources about this environment, one text per place.
  let warnings: [String]

  var isFrozen: Bool { reason != nil }

  /// Examines all sources in `places`: files, wheels and directories as the spec names them.
  ///
  /// If none of them is the package of the launched function, examines its installed package. `helper` is a local
  /// interpreter.
  init(_ spec: Spec, _ places: [Path], installed site: Path, helper: Path) throws(Failure) {
    let sources = places.filter { place in
      let path = spec.resolve(place)
      return isDirectory(path)
        || exists(path) && (path.bytes.hasSuffix(".py") || path.bytes.hasSuffix(".whl"))
    }
    var output = try Self.look(sources, spec, helper, in: spec.resolve(Path(".")))
    if let package = Self.launchedPackage(spec, places) {
      let found = [package, package + ".py"].filter { exists(site.appending($0)) }
      output += try Self.look(found.map { Path($0) }, spec, helper, in: site)
    }
    let facts = Facts(output)
    switch spec.launch.pyinstaller {
    case .yes: reason = "launch.pyinstaller is true"
    case .no: reason = nil
    case .auto: reason = facts["frozen"].map { "\(Self.place($0)) asks for it" }
    }
    warnings = facts.all("directory").map { value in
      "\(Self.place(value)) takes the directory of sys.executable, which is the interpreter in the unpacked tree; "
        + "the onefile's own directory is os.path.dirname(os.environ['ONEFOLD_EXE'])"
    }
  }

  private static func look(
    _ sources: [Path], _ spec: Spec, _ helper: Path, in directory: Path
  ) throws(Failure) -> [UInt8] {
    if sources.isEmpty { return [] }
    let arguments = [Path("-I"), Path("-B"), Path("-c"), Path(Helper.ownSources)] + sources
    let result = try runProgram(helper, arguments, directory: directory)
    guard result.succeeded else {
      throw .failed(
        spec.place, "the application's own sources can't be read:\n\(lastLines(result.errors))")
    }
    return result.output
  }

  /// The top-level package or module of the launched function; nil if its sources are available elsewhere.
  private static func launchedPackage(_ spec: Spec, _ places: [Path]) -> String? {
    guard case .function(let module, _) = spec.launch.program.value,
      spec.dependencies.project == nil
    else { return nil }
    let package = String(module.prefix { $0 != "." })
    let names = places.map { String(decoding: $0.lastComponent, as: UTF8.self) }
    return names.contains(package) || names.contains(package + ".py") ? nil : package
  }

  /// "server.py:12" for "12 server.py".
  private static func place(_ value: String) -> String {
    let line = value.prefix { $0 != " " }
    return "\(printable(String(value.dropFirst(line.count + 1)))):\(line)"
  }
}
