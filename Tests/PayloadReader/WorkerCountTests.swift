import PayloadFormat
import PayloadReader
import Testing

@Suite struct WorkerCountTests {
  /// Holds for every payload and every number of CPUs.
  @Test func buffersStayWithin48MiB() {
    let lengths = [0, 1, 256 << 10, 1 << 20, 8 << 20, Limits.frameStoredLength]
    for processors in [1, 2, 3, 64, 128, 192, 1024, 65_536] {
      for stored in lengths {
        for raw in lengths where raw <= Limits.frameRawLength && stored + raw >= 256 << 10 {
          let workers = workerCount(
            processors: processors, longestStored: stored, longestRaw: raw)
          #expect(workers >= 1 && workers <= processors)
          #expect(workers * (stored + raw) <= 48 << 20)
        }
      }
    }
  }

  @Test func eachProcessorHasOneWhereItsBuffersAreSmall() {
    #expect(workerCount(processors: 128, longestStored: 0, longestRaw: 256 << 10) == 128)
    #expect(workerCount(processors: 0, longestStored: 0, longestRaw: 0) == 1)
  }
}
