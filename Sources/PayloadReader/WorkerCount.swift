/// How many workers decode at once: one for each processor, as long as their buffers together stay
/// within `memory` bytes; at least one.
public func workerCount(
  processors: Int, longestStored: Int, longestRaw: Int, memory: Int = 48 << 20
)
  -> Int
{
  let each = max(longestStored + longestRaw, 1)
  return max(1, min(processors, memory / each))
}
