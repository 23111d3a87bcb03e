import CacheDirectory
import Posix

/// The options that every command has that uses the packer's cache.
let cacheOptions = [
  Option(
    name: "--cache", value: "DIR", values: .directory,
    help: "the directory that keeps compressed frames for the next packing; default: "
      + "ONEFOLD_PACK_CACHE, or onefold-pack in the user's cache directory"),
  Option(name: "--no-cache", help: "keep nothing for the next packing, and use nothing"),
]

/// The packer's cache directory; nil where there is none, or where others could change what is in it, which is then said.
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

/// Homes that are not there are none, and under `sudo` the home is often another user's: files of root there
/// would lock that user out.
private func isUsable(_ home: Path) -> Bool {
  guard let status = try? DirectoryHandle.current.statusIfExists(of: home, follow: true) else {
    return false
  }
  return ProcessContext.effectiveUser != 0 || status.user == 0
}
