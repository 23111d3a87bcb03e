// libFuzzer's entry point. ONEFOLD_FUZZ_TARGET names the target. `tools/fuzz` builds it.
#if FUZZING
  import Posix

  private let check: @Sendable ([UInt8]) -> Void = {
    let name = ProcessContext.environment("ONEFOLD_FUZZ_TARGET")?.string ?? ""
    guard let target = fuzzTargets.first(where: { $0.name == name }) else {
      preconditionFailure("ONEFOLD_FUZZ_TARGET names no target")
    }
    return target.check
  }()

  @c(LLVMFuzzerTestOneInput)
  public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    check([UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
  }
#endif

/// The fuzz targets by the names of their corpora, with the properties of each input.
public let fuzzTargets: [(name: String, check: @Sendable ([UInt8]) -> Void)] = [
  ("trailer", checkTrailer), ("record", checkRecord), ("manifest", checkManifest),
  ("archive", checkArchive), ("glibc", checkSystemGlibc), ("elf", checkElf), ("seal", checkSeal),
  ("spec", checkSpec),
  ("signature", checkSignature), ("inventory", checkInventory),
]
