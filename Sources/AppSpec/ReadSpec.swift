public import Posix

/// Reads a spec and checks all that can be told without building: docs/spec.md.
///
/// `path` is a file, or a directory that holds `onefold.toml` or else a `pyproject.toml` with `[tool.onefold]`; nil
/// stands for the working directory. A file is read as `onefold.toml` is, unless its name is `pyproject.toml`.
/// `target` is what the onefile is to run on; nil leaves it to the spec, and else it is this machine.
/// The error holds everything that is wrong, in the order of the file.
public func readSpec(_ path: Path?, target: Target? = nil) throws(SpecError) -> Spec {
  let file = try SpecFile(path)
  var decoder = SpecDecoder(file, target: target)
  let spec = decoder.decode()
  let problems = decoder.orderedProblems
  guard let spec, problems.isEmpty else { throw SpecError(problems) }
  return spec
}
