import CacheDirectory
import Posix

/// The options of every command that uses the packer's cache.
let cacheOptions = [
  Option(
    name: "--cache", value: "DIR", values: .directory,
    help: "the directory that keeps compressed frames for the next packing; default: "
      + "ONEFOLD_PACK_CACHE, or onefold-pack in the user's cache directory"),
  Option(name: "--no-cache", help: "keep nothing for the next packing, and use nothing"),
]

/// The packer's cache directory; nil if there is none.
///
/// If other users can change its content, the function prints a warning and returns nil.
func packCacheDirectory(_ arguments: Arguments) throws(Failure) -> Path? {
  guard let directory = try chosenPackCache(arguments) else { return nil }
  guard let reason = refusal(ofPackCache: directory) else { return directory }
  writeMessage(
    "onefold pack: warning: the cache \(directory.quoted) is not used: it \(reason); "
      + "give another with --cache\n")
  return nil
}

private func chosenPackCache(_ arguments: Arguments) throws(Failure) -> Path? {
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
  if let path = ProcessContext.variable("ONEFOLD_PACK_CACHE") { return path }
  if let cache = ProcessContext.environment("XDG_CACHE_HOME"), cache.isAbsolute {
    return isUsable(cache) ? cache.appending("onefold-pack") : nil
  }
  guard let home = ProcessContext.environment("HOME"), home.isAbsolute, isUsable(home) else {
    return nil
  }
  return home.appending(".cache/onefold-pack")
}

/// Whether the directory exists and, for root, belongs to root.
///
/// Under `sudo` the home is often another user's, and files of root there would lock that user out.
private func isUsable(_ home: Path) -> Bool {
  guard let status = try? DirectoryHandle.current.statusIfExists(of: home, follow: true) else {
    return false
  }
  return ProcessContext.effectiveUser != 0 || status.user == 0
}
