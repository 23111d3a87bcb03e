/// The number of workers that decode or check at once: one per CPU, or fewer to keep all buffers within `memory`
/// bytes, but at least one. For every payload that the format allows, the buffers of one worker fit.
///
/// - Parameters:
///   - longestStored, longestRaw: The bytes of the two buffers of a worker.
public func workerCount(
  processors: Int, longestStored: Int, longestRaw: Int, memory: Int = 48 << 20
)
  -> Int
{
  let each = max(longestStored + longestRaw, 1)
  return max(1, min(processors, memory / each))
}
