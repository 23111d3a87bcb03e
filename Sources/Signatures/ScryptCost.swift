/// What deriving a key from a password costs, as libsodium expresses it
/// (`crypto_pwhash_scryptsalsa208sha256`).
public struct ScryptCost: Equatable, Sendable {
  /// The number of operations.
  public var operations: UInt64
  /// Bytes.
  public var memoryLimit: UInt64

  public init(operations: UInt64, memoryLimit: UInt64) {
    self.operations = operations
    self.memoryLimit = memoryLimit
  }

  /// The cost of new keys, in minisign and here: 1 GiB and some seconds.
  public static let minisign = ScryptCost(operations: 1 << 25, memoryLimit: 1 << 30)

  /// From two little-endian numbers.
  init(_ bytes: UnsafeMutableRawBufferPointer.SubSequence) {
    func number(_ offset: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(bytes[bytes.startIndex + offset + $1]) << UInt64(8 * $1) }
    }
    self.init(operations: number(0), memoryLimit: number(8))
  }

  var encoded: [UInt8] {
    [operations, memoryLimit].flatMap { number in
      (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
    }
  }

  // MARK: Parameters of RFC 7914

  /// The block size.
  static let r: UInt64 = 8

  /// The cost of memory: a power of two.
  var n: UInt64 {
    let most = isBoundByOperations ? leastOperations / (Self.r * 4) : memoryLimit / (Self.r * 128)
    var exponent: UInt64 = 1
    while exponent < 63 && 1 << exponent <= most / 2 { exponent += 1 }
    return 1 << exponent
  }

  /// The parallelism.
  var p: UInt64 {
    guard !isBoundByOperations else { return 1 }
    return min(leastOperations / 4 / n, 0x3FFF_FFFF) / Self.r
  }

  /// The bytes of memory that scrypt needs.
  var memory: UInt64 { 128 * Self.r * n }

  /// Whether a key file may demand this: up to the memory of a minisign key, and up to 16 times its operations.
  var isAcceptable: Bool { n <= 1 << 20 && p >= 1 && n * p <= 1 << 24 }

  private var leastOperations: UInt64 { max(operations, 32_768) }
  private var isBoundByOperations: Bool { leastOperations < memoryLimit / 32 }
}
