import BuildTools
import Posix
import TestSupport

@testable import AppSpec
@testable import PythonStaging

/// A spec that launches a module, changed by `edit`.
func makeSpec(_ edit: (inout Spec) -> Void = { _ in }) -> Spec {
  let place = SpecPlace(file: "onefold.toml", line: 1)
  var spec = Spec(
    directory: Path(), place: place,
    app: Spec.App(name: Located("app", place), version: "1"),
    launch: Spec.Launch(program: Located(.module("app"), place)))
  edit(&spec)
  return spec
}

/// The layout of an interpreter of version 3.11, which need not exist.
func makeLayout(_ directory: TemporaryDirectory) -> Layout {
  Layout(
    root: directory("tree"), version: PythonVersion("3.11.7")!,
    standardLibrary: "lib/python3.11", source: Path("python3"),
    site: "lib/python3.11/site-packages")
}

/// Creates files, empty or with content.
func write(_ files: [String: String], to directory: TemporaryDirectory) throws {
  for (path, text) in files { try directory.write("tree/\(path)", [UInt8](text.utf8)) }
}

func files(in layout: Layout) throws -> Set<String> {
  Set(try listTree(layout.root).filter { $0.status.kind != .directory }.map(\.path.string))
}
