// libFuzzer's entry point; `tools/fuzz` builds it once for each parser.
#if FUZZ_TRAILER || FUZZ_RECORD || FUZZ_MANIFEST
  @c(LLVMFuzzerTestOneInput)
  public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    #if FUZZ_TRAILER
      checkTrailer(bytes)
    #elseif FUZZ_RECORD
      checkRecord(bytes)
    #else
      checkManifest(bytes)
    #endif
    return 0
  }
#endif
