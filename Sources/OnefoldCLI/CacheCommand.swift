import AppSpec
import CacheDirectory
import PayloadFormat
import Posix
import Reporting

private let actions = ["list", "prune", "clear"]

let cacheCommand = Command(
  name: "cache",
  summary: "list or remove the trees that onefiles unpacked",
  discussion: """
    Shows or removes what this user's onefiles unpacked. Trees in use are kept, and so are
    files of other users.

      list   show every tree: application, version, size, last use, whether it is in use
      prune  remove trees that were not used for as long as their onefile says (30 days by
             default), except the newest two of each application; and remove what killed
             launches left
      clear  remove every tree that is not in use
    """,
  arguments: [Argument("ACTION", "list, prune or clear", .words(actions))],
  options: [
    Option(
      name: "--cache", value: "DIR", values: .directory,
      help: "use this cache directory only; default: ONEFOLD_CACHE, or all that a launch tries"),
    Option(
      name: "--keep", value: "DAYS",
      help: "with prune: keep unused trees for so many days, 0 to \(LaunchRecord.longestKeep), "
        + "whatever their onefiles say"
    ),
    Option(name: "--dry-run", help: "with prune or clear: show what would be removed, and keep it"),
    Option(name: "--json", help: "print the result as JSON"),
  ])

func runCache(_ arguments: Arguments) throws(Failure) {
  let action = String(decoding: arguments.positional[0].bytes, as: UTF8.self)
  let keep = try arguments.number("--keep", in: 0...LaunchRecord.longestKeep)
  let directory = arguments.value("--cache")
  if let directory, directory.isEmpty { throw .usage("option '--cache' needs a directory") }
  if let directory, let reason = refusal(ofCache: directory) {
    throw .failed("\(directory.quoted) can't be the cache: it \(reason)")
  }
  guard keep == nil || action == "prune" else {
    throw .usage("option '--keep' goes with prune only")
  }
  var cleanUp = CleanUp()
  cleanUp.isDryRun = arguments.has("--dry-run")
  switch action {
  case "list":
    guard !cleanUp.isDryRun else {
      throw .usage("option '--dry-run' goes with prune or clear only")
    }
    let (items, failures) = listCaches(in: directory)
    if !items.isEmpty || failures.isEmpty { try list(items, arguments) }
    if let failure = failures.first { throw failure }
  case "prune":
    cleanUp.keepDays = keep
    try remove(cleanUp, in: directory, arguments)
  case "clear":
    cleanUp.removesAll = true
    try remove(cleanUp, in: directory, arguments)
  default:
    let hint = nearest(to: action, in: actions).map { "; did you mean '\($0)'?" } ?? ""
    throw .usage("unknown action \(quotedText(action.utf8))\(hint)")
  }
}

private func list(_ items: [CacheItem], _ arguments: Arguments) throws(Failure) {
  let sorted = items.sorted { ($0.title, $1.lastUse.seconds) < ($1.title, $0.lastUse.seconds) }
  let shared = SharedFiles(of: items)
  if arguments.has("--json") {
    try writeData(JSON.object([("items", .array(sorted.map { json($0, shared) }))]).encoded)
    return
  }
  guard !sorted.isEmpty else {
    writeMessage("there is nothing in the cache\n")
    return
  }
  var text = "        size      shared     last use  in use  application\n"
  for item in sorted { text += line(item, shared) }
  try writeData(text)
}

private func line(_ item: CacheItem, _ shared: SharedFiles) -> String {
  let isTree = item.kind == .tree
  let size = isTree ? "\(megabytes(item.bytes)) MB" : "-"
  let ofIt = isTree ? "\(megabytes(shared.sharedBytes(of: item))) MB" : "-"
  return column(size, 12) + column(ofIt, 12) + column(days(since: item.lastUse), 13)
    + column(item.isInUse ? "yes" : "no", 8) + "  \(item.title)\n"
    + String(repeating: " ", count: 47) + "\(escapedText(item.path.bytes))\n"
}

private func days(since time: FileTime) -> String {
  let days = max(0, WallClock.seconds(since: time)) / 86_400
  return days == 0 ? "today" : "\(counted(UInt64(days), "day")) ago"
}

private func remove(_ cleanUp: CleanUp, in directory: Path?, _ arguments: Arguments)
  throws(Failure)
{
  let shared = SharedFiles(of: listCaches(in: directory).items)
  let result = cleanUpCaches(cleanUp, in: directory)
  if arguments.has("--json") {
    try writeData(
      JSON.object([
        ("removed", .array(result.removed.map { json($0, shared) })),
        ("in_use", .array(result.inUse.map { json($0, shared) })),
        ("kept", .array(result.kept.map { json($0, shared) })),
        ("freed_bytes", .number(shared.bytesFreed(byRemoving: result.removed))),
      ]).encoded)
  } else {
    let verb = cleanUp.isDryRun ? "would remove" : "removed"
    for item in result.removed { writeMessage("\(verb) \(item.title) in \(item.path.quoted)\n") }
    for item in result.inUse { writeMessage("in use: \(item.title) in \(item.path.quoted)\n") }
    for item in result.kept {
      writeMessage("moved the program's own files to \(item.path.quoted)\n")
    }
    let bytes = shared.bytesFreed(byRemoving: result.removed)
    writeMessage(
      result.removed.isEmpty
        ? "there is nothing to remove\n"
        : "\(verb) \(counted(result.removed.count, "entry", plural: "entries")), \(megabytes(bytes)) MB in all\n"
    )
  }
  if let failure = result.failures.first { throw failure }
}

extension CacheItem {
  /// "server 1.2", or a description if the item is not a tree of an application.
  fileprivate var title: String {
    switch kind {
    case .leftover: return isInUse ? "being unpacked" : "left by a launch that was killed"
    case .unsealed: return "a tree without a seal"
    case .kept: return "files of a program: never removed"
    case .unknown: return "not recognised: never removed"
    case .tree: return applicationTitle(application, version)
    }
  }
}

private func json(_ item: CacheItem, _ shared: SharedFiles) -> JSON {
  let kind =
    switch item.kind {
    case .tree: "tree"
    case .unsealed: "unsealed"
    case .leftover: "leftover"
    case .kept: "kept"
    case .unknown: "unknown"
    }
  return .object(
    JSON.members(path: [UInt8](item.path.bytes)) + [
      ("kind", .string(kind)),
      ("application", .text(item.application)),
      ("version", .text(item.version)),
      ("bytes", .number(item.bytes)),
      ("shared_bytes", .number(shared.sharedBytes(of: item))),
      ("last_use", .signed(item.lastUse.seconds)),
      ("keep_days", .number(UInt64(item.keepDays))),
      ("in_use", .bool(item.isInUse)),
      ("own", .bool(item.isOwn)),
    ])
}
