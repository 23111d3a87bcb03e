import AppSpec
import PayloadFormat
import PayloadWriter
import Posix

// What the command line says to both ways of packing.

/// How frames are compressed: by the command line, else by the spec's `[archive]`, else by default.
func makeCompression(_ archive: Spec.Archive?, _ arguments: Arguments) throws(CommandFailure)
  -> Compression
{
  let word = try usage { () throws(UsageError) in
    try arguments.word("--codec", of: ["zstd", "xz", "store"])
  }
  let name = word ?? archive?.codec?.value
  let codec = Codec.allCases.first { $0.name.description == name } ?? .zstd
  if codec == .store && arguments.has("--level") {
    throw .usage("option '--level' does not go with '--codec store'")
  }
  let given = try usage { () throws(UsageError) in
    try arguments.number("--level", in: Compression.levels(of: codec))
  }
  let sizes = Compression.frameSizes
  let size = try usage { () throws(UsageError) in
    try arguments.number("--frame-size", in: (sizes.lowerBound >> 10)...(sizes.upperBound >> 10))
  }
  // A level of the spec is that of its own codec.
  let level = arguments.has("--codec") ? nil : archive?.level?.value
  return Compression(
    codec: codec, level: given ?? level ?? Compression.defaultLevel(of: codec),
    frameSize: (size ?? archive?.frameSize?.value).map { $0 << 10 } ?? Compression.defaultFrameSize)
}

/// Threads: by the command line, else one a processor.
func makeWorkers(_ arguments: Arguments) throws(CommandFailure) -> Int {
  let workers = try usage { () throws(UsageError) in
    try arguments.number("--jobs", in: 1...1024)
  }
  return workers ?? ProcessContext.processorCount
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

/// By option or environment; else beside the program (`bootloaders/`), else where a package installs it
/// (`../share/onefold/bootloaders`).
func findBootloader(_ given: Path?) throws(CommandFailure) -> Bootloader {
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
