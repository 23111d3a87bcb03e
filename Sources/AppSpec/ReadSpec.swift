public import Posix

/// Reads a spec and makes all checks that need no build: docs/spec.md.
///
/// - Parameters:
///   - path: a file, or a directory with `onefold.toml` or else a `pyproject.toml` with `[tool.onefold]`; nil stands
///     for the working directory. A file is read as `onefold.toml`, unless its name is `pyproject.toml`.
///   - target: the target of the onefile; nil takes the spec's, or this machine if the spec has none.
/// - Throws: all errors of the spec, in the order of the file.
public func readSpec(_ path: Path?, target: Target? = nil) throws(SpecError) -> Spec {
  let file = try SpecFile(path)
  var decoder = SpecDecoder(file, target: target)
  let spec = decoder.decode()
  let problems = decoder.orderedProblems
  guard let spec, problems.isEmpty else { throw SpecError(problems) }
  return spec
}
