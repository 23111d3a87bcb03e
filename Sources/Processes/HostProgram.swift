public import Posix

/// The programs of the build machine that the packer runs (docs/packing.md, "What pack runs"). A test compares the
/// list with the document.
public enum HostProgram: String, CaseIterable, Sendable {
  case python3, pip, uv, patchelf, curl, git, ldconfig, node
  case aptCache = "apt-cache"
  case dpkgQuery = "dpkg-query"
  case rpm

  /// The name, which is looked up on the `PATH`.
  public var path: Path { Path(rawValue) }
}
