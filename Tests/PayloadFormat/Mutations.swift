/// `bytes` with one byte changed: each position gets several values that break bounds and flags.
func mutations(of bytes: [UInt8]) -> some Sequence<(bytes: [UInt8], index: Int)> {
  bytes.indices.lazy.flatMap { index in
    let old = bytes[index]
    let values: Set<UInt8> = [
      0, 1, 2, 0x2E, 0x2F, 0x7F, 0x80, 0xFE, 0xFF, old &+ 1, old &- 1, old ^ 0x10, old ^ 0x40,
    ]
    return values.subtracting([old]).map { value in
      var changed = bytes
      changed[index] = value
      return (bytes: changed, index: index)
    }
  }
}
