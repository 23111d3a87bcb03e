import AppSpec
import PayloadFormat
import PayloadWriter
import Posix

// Options that both ways of packing share.

/// The compression of frames, from the command line, then the spec's `[archive]`, then the default.
func makeCompression(_ archive: Spec.Archive?, _ arguments: Arguments) throws(Failure)
  -> Compression
{
  let codec = try arguments.named("--codec") ?? archive?.codec?.value ?? .zstd
  if codec == .store && arguments.has("--level") {
    throw .usage("option '--level' does not go with '--codec store'")
  }
  let given = try arguments.number("--level", in: Compression.levels(of: codec))
  let sizes = Compression.frameSizes
  let size = try arguments.number(
    "--frame-size", in: (sizes.lowerBound >> 10)...(sizes.upperBound >> 10))
  // The spec's level belongs to the spec's codec.
  let level = arguments.has("--codec") ? nil : archive?.level?.value
  return Compression(
    codec: codec, level: given ?? level ?? Compression.defaultLevel(of: codec),
    frameSize: (size ?? archive?.frameSize?.value).map { $0 << 10 } ?? Compression.defaultFrameSize)
}

/// The number of threads: from the command line, or one per CPU.
func makeWorkers(_ arguments: Arguments) throws(Failure) -> Int {
  let workers = try arguments.number("--jobs", in: 1...1024)
  return workers ?? ProcessContext.processorCount
}

/// `SOURCE_DATE_EPOCH` in seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch); nil if it is
/// not set.
///
/// Later file times are set to it.
func sourceDateEpoch() throws(Failure) -> Int64? {
  guard let value = ProcessContext.environment("SOURCE_DATE_EPOCH") else { return nil }
  let isNumber = value.bytes.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
  guard isNumber, let seconds = Int64(String(decoding: value.bytes, as: UTF8.self)) else {
    throw .failed(
      "SOURCE_DATE_EPOCH needs whole seconds since 1970, not \(value.quoted): "
        + "set it as 'date +%s' prints them, or unset it")
  }
  return seconds
}

/// "NAME=VALUE" of each `--env`.
func environmentOptions(_ arguments: Arguments) throws(Failure) -> [[UInt8]] {
  try arguments.all("--env").map { (variable) throws(Failure) in
    let bytes = [UInt8](variable.bytes)
    guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0 else {
      throw .usage("option '--env' needs NAME=VALUE, not \(variable.quoted)")
    }
    return bytes
  }
}

/// The name of each `--unset-env`.
func unsetOptions(_ arguments: Arguments) throws(Failure) -> [[UInt8]] {
  try arguments.all("--unset-env").map { (variable) throws(Failure) in
    guard !variable.isEmpty, !variable.bytes.contains(UInt8(ascii: "=")) else {
      throw .usage("option '--unset-env' needs the name of a variable, not \(variable.quoted)")
    }
    return [UInt8](variable.bytes)
  }
}

/// The target of `--target`; nil if it is not given.
func makeTarget(_ arguments: Arguments) throws(Failure) -> Target? {
  guard let given = arguments.value("--target") else { return nil }
  do throws(SpecError) { return try Target(given.string) } catch {
    throw .failed("option '--target': \(error.message)")
  }
}

/// Finds the bootloader, from the option or the environment, or by the target's name.
///
/// Without a given path, it looks beside the program (`bootloaders/`), then in a package's place
/// (`../share/onefold/bootloaders`). A given bootloader must be for `target`. If `target` is nil, the given bootloader
/// decides; without one the target is this machine.
func findBootloader(_ given: Path?, for target: Target?) throws(Failure) -> Bootloader {
  if let path = given ?? ProcessContext.environment("ONEFOLD_BOOTLOADER") {
    let bootloader = try Bootloader(path)
    let name = "\(bootloader.target)"
    if let target, target.name != name {
      throw .failed(
        "the bootloader \(path.quoted) is for \(name), not for \(target.name): give another with --bootloader, "
          + "or pack with --target \(name)")
    }
    return bootloader
  }
  let program: Path
  do throws(Failure) {
    program = try DirectoryHandle.current.symlinkTarget(of: Path("/proc/self/exe"))
  } catch { throw .failed("\(error.description); give the bootloader with --bootloader") }
  let name = (target ?? .native).name
  let directories = [
    program.parent.appending("bootloaders"),
    program.parent.parent.appending("share/onefold/bootloaders"),
  ]
  let places = directories.map { $0.appending([UInt8](name.utf8)) }
  // A wheel installer can remove the execute permission, which is not needed here.
  for place in places
  where (try? DirectoryHandle.current.statusIfExists(of: place, follow: true)) != nil {
    return try Bootloader(place)
  }
  let found = directories.flatMap { (try? DirectoryHandle.current.names(in: $0)) ?? [] }
    .map { String(decoding: $0, as: UTF8.self) }.filter { !$0.hasPrefix(".") }.sorted()
  let others = found.isEmpty ? "" : " (only \(found.joined(separator: ", ")))"
  throw .failed(
    "there is no bootloader for \(name) at \(places[0].quoted) or \(places[1].quoted)\(others): "
      + "install onefold again, run tools/build, or give one with --bootloader or ONEFOLD_BOOTLOADER"
  )
}
