import Posix

/// The options that every command has that uses the packer's cache.
let cacheOptions = [
  Option(
    name: "--cache", value: "DIR",
    help: "the directory that keeps compressed frames for the next packing; default: "
      + "ONEFOLD_PACK_CACHE, or onefold-pack in the user's cache directory"),
  Option(name: "--no-cache", help: "keep nothing for the next packing, and use nothing"),
]

/// The packer's cache directory; nil where there is none.
func packCacheDirectory(_ arguments: Arguments) throws(CommandFailure) -> Path? {
  let given = arguments.value("--cache")
  if arguments.has("--no-cache") {
    guard given == nil else {
      throw .usage("option '--cache' does not go with '--no-cache'")
    }
    return nil
  }
  if let given {
    guard !given.isEmpty else { throw .usage("option '--cache' needs a directory") }
    return given
  }
  if let path = ProcessContext.environment("ONEFOLD_PACK_CACHE"), !path.isEmpty { return path }
  if let cache = ProcessContext.environment("XDG_CACHE_HOME"), cache.isAbsolute {
    return isOurs(cache) ? cache.appending("onefold-pack") : nil
  }
  guard let home = ProcessContext.environment("HOME"), home.isAbsolute, isOurs(home) else {
    return nil
  }
  return home.appending(".cache/onefold-pack")
}

/// Under `sudo` the home is often another user's: files of root there would lock that user out.
private func isOurs(_ home: Path) -> Bool {
  guard ProcessContext.effectiveUser == 0,
    let status = try? DirectoryHandle.current.statusIfExists(of: home, follow: true)
  else { return true }
  return status.user == 0
}
