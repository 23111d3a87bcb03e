/// How many workers decode or check at once: one for each processor, as long as their buffers together stay
/// within `memory` bytes; at least one. The buffers of one are within it for every payload that the format allows.
///
/// - Parameters:
///   - longestStored, longestRaw: bytes of the two buffers of a worker.
public func workerCount(
  processors: Int, longestStored: Int, longestRaw: Int, memory: Int = 48 << 20
)
  -> Int
{
  let each = max(longestStored + longestRaw, 1)
  return max(1, min(processors, memory / each))
}
