import PayloadFormat
import PayloadWriter
import Posix

let packCommand = Command(
  name: "pack",
  summary: "make one executable file of a directory tree",
  discussion: """
    Packs a directory that holds a program and all it needs into one executable file.
    Launched, that file unpacks the directory once into a cache and executes the program.
    """,
  options: [
    Option(name: "--tree", value: "DIR", help: "the directory to pack (required)"),
    Option(
      name: "--entry", value: "PATH",
      help: "the program to execute, relative to the tree (required)"),
    Option(
      name: "--output", short: "-o", value: "FILE",
      help: "the file to make; default: the application's name, in the working directory"),
    Option(
      name: "--name", value: "NAME", help: "the application's name; default: the entry's name"),
    Option(name: "--app-version", value: "TEXT", help: "the application's version"),
    Option(
      name: "--env", value: "NAME=VALUE",
      help: "set an environment variable; {root} and {exe} are replaced in VALUE", repeats: true),
    Option(
      name: "--unset-env", value: "NAME", help: "remove an environment variable", repeats: true),
    Option(name: "--codec", value: "NAME", help: "zstd (default), xz or store"),
    Option(
      name: "--level", value: "N",
      help: "compression level: zstd 1 to 22 (default "
        + "\(Compression.defaultLevel(of: .zstd))), xz 0 to 9 (default "
        + "\(Compression.defaultLevel(of: .xz)))"),
    Option(
      name: "--frame-size", value: "KIB",
      help: "size of the units that are decoded in parallel, 64 to 16384 KiB (default "
        + "\(Compression.defaultFrameSize >> 10))"),
    Option(name: "--jobs", short: "-j", value: "N", help: "threads; default: one a processor"),
  ] + cacheOptions + [
    Option(
      name: "--bootloader", value: "FILE",
      help: "the bootloader; default: ONEFOLD_BOOTLOADER, or the one installed with onefold"),
    Option(name: "--json", help: "print the summary as JSON on stdout"),
  ],
  rest: (
    "ARGS...",
    "arguments for the program, before those of its user; {root} and {exe} are replaced"
  )
)

func runPack(_ arguments: Arguments) throws(CommandFailure) {
  let request = try makeRequest(arguments)
  let start = MonotonicClock.now
  let progress = TerminalProgress()
  TerminationSignals.hold()
  let summary: PackSummary
  do throws(PackError) {
    defer { progress.finish() }
    summary = try packTree(request) { phase, done, total in
      progress.show(phase == .reading ? "reading" : "compressing", done: done, total: total)
    }
  } catch {
    if case .interrupted(let signal) = error { TerminationSignals.endProcess(by: signal) }
    throw .failed(error.description.string)
  }
  let milliseconds = UInt64((MonotonicClock.now - start) / 1_000_000)
  for warning in summary.warnings { writeMessage("onefold pack: warning: \(warning)\n") }
  if arguments.has("--json") {
    try writeData(json(request, summary, milliseconds).encoded)
  } else {
    writeMessage(text(request, summary, milliseconds))
  }
}

// MARK: Request

private func makeRequest(_ arguments: Arguments) throws(CommandFailure) -> PackRequest {
  guard let tree = arguments.value("--tree") else { throw .usage("option '--tree' is missing") }
  guard let given = arguments.value("--entry") else { throw .usage("option '--entry' is missing") }
  var entry = [UInt8](given.bytes)
  while entry.starts(with: [UInt8(ascii: "."), UInt8(ascii: "/")]) { entry.removeFirst(2) }
  guard PathRules.isPath(entry.span) else {
    throw .failed(PackError.entryPath(given).description.string)
  }

  let name = arguments.value("--name").map { [UInt8]($0.bytes) } ?? defaultName(entry)
  guard LaunchRecord.isName(name.span) else {
    throw .usage(
      "the name \(quotedText(name)) is not valid: give 1 to 64 of A-Z a-z 0-9 . _ + - with --name, "
        + "not beginning with '.' or '-'")
  }
  var record = LaunchRecord(name: name, entry: entry, target: [])
  record.version = arguments.value("--app-version").map { [UInt8]($0.bytes) } ?? []
  guard LaunchRecord.isText(record.version.span) else {
    throw .usage("option '--app-version' needs at most 128 bytes without control characters")
  }
  record.arguments = arguments.rest.map { [UInt8]($0.bytes) }
  record.packer = [UInt8]("onefold \(version)".utf8)
  for variable in arguments.all("--env") {
    let bytes = [UInt8](variable.bytes)
    guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0 else {
      throw .usage("option '--env' needs NAME=VALUE, not \(variable.quoted)")
    }
    record.variables.append(bytes)
  }
  for variable in arguments.all("--unset-env") {
    guard !variable.isEmpty, !variable.bytes.contains(UInt8(ascii: "=")) else {
      throw .usage("option '--unset-env' needs the name of a variable, not \(variable.quoted)")
    }
    record.removedVariables.append([UInt8](variable.bytes))
  }

  let compression = try makeCompression(arguments)
  let workers = try usage { () throws(UsageError) in
    try arguments.number("--jobs", in: 1...1024)
  }
  let cache = try packCacheDirectory(arguments)
  let latestTime = try sourceDateEpoch()
  // Last, so that a mistake on the command line is told before a missing bootloader.
  let bootloader = try findBootloader(arguments.value("--bootloader"))
  return PackRequest(
    tree: tree, output: arguments.value("--output") ?? Path(name), bootloader: bootloader,
    record: record, compression: compression, workers: workers ?? ProcessContext.processorCount,
    frameCache: cache?.appending("frames"), latestTime: latestTime)
}

/// Seconds since 1970 by `SOURCE_DATE_EPOCH` (https://reproducible-builds.org/specs/source-date-epoch), which later
/// times of files are set to; nil where it is not set.
func sourceDateEpoch() throws(CommandFailure) -> Int64? {
  guard let value = ProcessContext.environment("SOURCE_DATE_EPOCH") else { return nil }
  let isNumber = value.bytes.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
  guard isNumber, let seconds = Int64(String(decoding: value.bytes, as: UTF8.self)) else {
    throw .failed(
      "SOURCE_DATE_EPOCH needs whole seconds since 1970, not \(value.quoted): "
        + "set it as 'date +%s' prints them, or unset it")
  }
  return seconds
}

private func defaultName(_ entry: [UInt8]) -> [UInt8] {
  [UInt8](Path(entry).lastComponent)
}

private func makeCompression(_ arguments: Arguments) throws(CommandFailure) -> Compression {
  var codec = Codec.zstd
  if let value = arguments.value("--codec") {
    let text = String(decoding: value.bytes, as: UTF8.self)
    guard let named = Codec.allCases.first(where: { $0.name.description == text }) else {
      throw .usage("option '--codec' needs zstd, xz or store, not \(value.quoted)")
    }
    codec = named
  }
  if codec == .store && arguments.has("--level") {
    throw .usage("option '--level' does not go with '--codec store'")
  }
  let level = try usage { () throws(UsageError) in
    try arguments.number("--level", in: Compression.levels(of: codec))
  }
  let sizes = Compression.frameSizes
  let size = try usage { () throws(UsageError) in
    try arguments.number("--frame-size", in: (sizes.lowerBound >> 10)...(sizes.upperBound >> 10))
  }
  return Compression(
    codec: codec, level: level ?? Compression.defaultLevel(of: codec),
    frameSize: size.map { $0 << 10 } ?? Compression.defaultFrameSize)
}

/// By option or environment; else beside the program (`bootloaders/`), else where a package installs it
/// (`../share/onefold/bootloaders`).
private func findBootloader(_ given: Path?) throws(CommandFailure) -> Bootloader {
  if let path = given ?? ProcessContext.environment("ONEFOLD_BOOTLOADER") {
    return try read(path)
  }
  let program: Path
  do throws(SystemError) {
    program = try DirectoryHandle.current.symlinkTarget(of: Path("/proc/self/exe"))
  } catch { throw .failed("\(error.description); give the bootloader with --bootloader") }
  let places = [
    program.parent.appending("bootloaders/x86_64-linux"),
    program.parent.parent.appending("share/onefold/bootloaders/x86_64-linux"),
  ]
  for place in places where DirectoryHandle.current.isAccessible(place, write: false) {
    return try read(place)
  }
  throw .failed(
    "there is no bootloader at \(places[0].quoted) or \(places[1].quoted): "
      + "run tools/build, or give one with --bootloader or ONEFOLD_BOOTLOADER")
}

private func read(_ path: Path) throws(CommandFailure) -> Bootloader {
  do throws(PackError) { return try Bootloader(path) } catch {
    throw .failed(error.description.string)
  }
}

// MARK: Summary

private func text(_ request: PackRequest, _ summary: PackSummary, _ milliseconds: UInt64) -> String
{
  let percent = summary.bytesIn == 0 ? 0 : summary.bytesOut * 1000 / summary.bytesIn
  return """
    packed \(request.output.quoted)
      \(grouped(UInt64(summary.files))) files, \(grouped(UInt64(summary.directories))) directories, \
    \(grouped(UInt64(summary.symlinks))) symlinks, \(grouped(UInt64(summary.hardLinks))) hard links
      \(grouped(UInt64(summary.frames))) frames, \(grouped(UInt64(summary.framesFromCache))) \
    of them from the cache
      \(grouped(summary.bytesIn)) bytes in, \(grouped(summary.bytesOut)) bytes out \
    (\(percent / 10).\(percent % 10) %), in \(milliseconds / 1000).\(milliseconds / 100 % 10) s
      tree id \(hexText(summary.treeID.bytes))

    """
}

private func json(_ request: PackRequest, _ summary: PackSummary, _ milliseconds: UInt64) -> JSON {
  let ratio = summary.bytesIn == 0 ? 0 : summary.bytesOut * 1000 / summary.bytesIn
  return .object(
    JSON.members(path: [UInt8](request.output.bytes), name: "output") + [
      ("name", .text(request.record.name)),
      ("version", .text(request.record.version)),
      ("tree_id", .string(hexText(summary.treeID.bytes).string)),
      ("files", .number(UInt64(summary.files))),
      ("directories", .number(UInt64(summary.directories))),
      ("symlinks", .number(UInt64(summary.symlinks))),
      ("hard_links", .number(UInt64(summary.hardLinks))),
      ("contents", .number(UInt64(summary.contents))),
      ("frames", .number(UInt64(summary.frames))),
      ("frames_from_cache", .number(UInt64(summary.framesFromCache))),
      ("bytes_in", .number(summary.bytesIn)),
      ("bytes_out", .number(summary.bytesOut)),
      ("ratio", .thousandths(ratio)),
      ("codec", .string(request.compression.codec.name.description)),
      ("level", .number(UInt64(request.compression.level))),
      ("frame_size", .number(UInt64(request.compression.frameSize))),
      ("seconds", .thousandths(milliseconds)),
    ])
}
