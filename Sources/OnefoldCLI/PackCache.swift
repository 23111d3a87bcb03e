import CacheDirectory
import PayloadWriter
import Posix

/// The options of every command that uses the packer's cache.
let cacheOptions = [
  Option(
    name: "--cache", value: "DIR", values: .directory,
    help: "the directory that keeps compressed frames for the next packing; default: "
      + "ONEFOLD_PACK_CACHE, or onefold-pack in the user's cache directory"),
  Option(
    name: "--remote-cache", value: "URL",
    help: "a web server that keeps compressed frames for several builders, by GET and PUT; "
      + "default: ONEFOLD_REMOTE_CACHE, or none"),
  Option(
    name: "--remote-cache-read-only",
    help: "add nothing to the remote cache, for builds that are not trusted"),
  Option(
    name: "--no-cache", help: "keep nothing for the next packing, and use nothing, also no remote"),
]

/// The remote cache of a packing; nil if there is none.
func remoteCache(_ arguments: Arguments) throws(Failure) -> RemoteCache? {
  let given = arguments.value("--remote-cache")
  let isReadOnly = arguments.has("--remote-cache-read-only")
  if arguments.has("--no-cache") {
    guard given == nil else {
      throw .usage("option '--remote-cache' does not go with '--no-cache'")
    }
    return nil
  }
  let variable = ProcessContext.variable("ONEFOLD_REMOTE_CACHE")
  guard var url = (given ?? variable)?.string else {
    guard !isReadOnly else {
      throw .usage("option '--remote-cache-read-only' needs a remote cache: add --remote-cache URL")
    }
    return nil
  }
  guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
    let name = given == nil ? "ONEFOLD_REMOTE_CACHE" : "option '--remote-cache'"
    throw .usage(
      "\(name) needs a URL that begins with http:// or https://, not \(Path(url).quoted)")
  }
  while url.hasSuffix("/") { url.removeLast() }
  let mayWrite = ProcessContext.variable("ONEFOLD_REMOTE_CACHE_READ_ONLY") == nil
  return RemoteCache(url: url, isWritable: mayWrite && !isReadOnly)
}

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
