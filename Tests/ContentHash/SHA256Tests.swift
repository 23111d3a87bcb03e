import ContentHash
import PayloadFormat
import Posix
import Testing

@Suite struct SHA256Tests {
  private func hash(_ message: [UInt8]) -> String {
    hexText(SHA256Hasher.digest(of: message.span).bytes).string
  }

  // MARK: Published vectors

  /// The examples that NIST publishes for FIPS 180-4 (SHA256.pdf), and the message of one million "a".
  @Test(
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
          + "nopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
      ),
      (
        String(repeating: "a", count: 1_000_000),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
      ),
    ] as [(String, String)])
  func examplesOfTheStandard(_ message: String, _ expected: String) {
    #expect(hash([UInt8](message.utf8)) == expected)
  }

  /// NIST's additional vectors (SHA2_Additional.pdf): one repeated byte, at lengths where the padding needs
  /// another block.
  @Test(
    arguments: [
      (0xBD, 1, "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"),
      (0, 55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"),
      (0, 56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"),
      (0, 57, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"),
      (0, 64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"),
      (0, 1000, "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"),
      (0x41, 1000, "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4"),
      (0x55, 1005, "f4d62ddec0f3dd90ea1380fa16a5ff8dc4c54b21740650f24afc4120903552b0"),
      (0, 1_000_000, "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025"),
    ] as [(UInt8, Int, String)])
  func additionalVectors(_ byte: UInt8, _ count: Int, _ expected: String) {
    #expect(hash([UInt8](repeating: byte, count: count)) == expected)
    guard byte == 0 else { return }
    var hasher = SHA256Hasher()
    hasher.update(zeros: UInt64(count))
    #expect(hexText(hasher.finish().bytes).string == expected)
  }

  @Test func additionalVectorOfFourBytes() {
    #expect(
      hash([0xC9, 0x8C, 0x8E, 0x55])
        == "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504")
  }

  // MARK: Another implementation

  @Test func lengthsAroundBlockBoundariesMatchTheReference() {
    for count in Array(0...260) + [511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, 65_537] {
      let message = noise(count)
      #expect(SHA256Hasher.digest(of: message.span).bytes == referenceHash(message), "\(count)")
    }
  }

  @Test func partsHashLikeTheWhole() {
    let message = noise(1000)
    let expected = referenceHash(message)
    for step in [1, 3, 55, 56, 63, 64, 65, 128, 999] {
      var hasher = SHA256Hasher()
      var start = 0
      while start < message.count {
        let end = min(start + step, message.count)
        hasher.update(message.span.extracting(start..<end))
        // An empty part changes nothing.
        hasher.update(message.span.extracting(end..<end))
        start = end
      }
      #expect(hasher.finish().bytes == expected, "\(step)")
    }
  }

  /// Zeros are hashed in blocks of 64 KiB.
  @Test func zerosAmongOtherBytesMatchTheReference() {
    for count in [0, 1, 63, 64, 65_535, 65_536, 65_537, 200_000] {
      var hasher = SHA256Hasher()
      hasher.update(noise(7).span)
      hasher.update(zeros: UInt64(count))
      hasher.update(noise(5).span)
      let whole = noise(7) + [UInt8](repeating: 0, count: count) + noise(5)
      #expect(hasher.finish().bytes == referenceHash(whole), "\(count)")
    }
  }

  /// The CPU's instructions for SHA change the speed only.
  @Test func cpuFeaturesDoNotChangeTheHash() {
    let message = noise(100_000)
    let before = SHA256Hasher.digest(of: message.span)
    SHA256Hasher.prepareForBulk()
    #expect(SHA256Hasher.digest(of: message.span) == before)
    #expect(before.bytes == referenceHash(message))
  }

  private func noise(_ count: Int) -> [UInt8] {
    var state: UInt32 = 1
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(truncatingIfNeeded: state >> 24)
    }
  }
}

/// SHA-256 as FIPS 180-4, section 6.2, describes it.
private func referenceHash(_ message: [UInt8]) -> [UInt8] {
  var padded = message + [0x80]
  while padded.count % 64 != 56 { padded.append(0) }
  for shift in stride(from: 56, through: 0, by: -8) {
    padded.append(UInt8(truncatingIfNeeded: UInt64(message.count * 8) >> UInt64(shift)))
  }
  // The first 32 bits of the fractional parts of the square and cube roots of the first primes.
  var hash = primes.prefix(8).map { fraction(Double($0).squareRoot()) }
  let constants = primes.map { fraction(cubeRoot(Double($0))) }
  for start in stride(from: 0, to: padded.count, by: 64) {
    var schedule = stride(from: start, to: start + 64, by: 4).map { at in
      padded[at..<at + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    for t in 16..<64 {
      let (a, b) = (schedule[t - 15], schedule[t - 2])
      let small = rotated(a, 7) ^ rotated(a, 18) ^ a >> 3
      let large = rotated(b, 17) ^ rotated(b, 19) ^ b >> 10
      schedule.append(large &+ schedule[t - 7] &+ small &+ schedule[t - 16])
    }
    var v = hash
    for t in 0..<64 {
      let choice = v[4] & v[5] ^ ~v[4] & v[6]
      let majority = v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2]
      let first =
        v[7] &+ (rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25)) &+ choice
        &+ constants[t] &+ schedule[t]
      let second = (rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22)) &+ majority
      v = [first &+ second, v[0], v[1], v[2], v[3] &+ first, v[4], v[5], v[6]]
    }
    hash = zip(hash, v).map { $0 &+ $1 }
  }
  return hash.flatMap { word in
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
  }
}

private let primes = (2...311).filter { number in
  !(2..<number).contains { number % $0 == 0 }
}

private func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 {
  word >> count | word << (32 - count)
}

private func fraction(_ value: Double) -> UInt32 {
  UInt32((value - value.rounded(.down)) * 4_294_967_296)
}

/// Newton's method; exact enough for 32 bits of the fraction.
private func cubeRoot(_ value: Double) -> Double {
  var root = value
  for _ in 0..<100 { root -= (root * root * root - value) / (3 * root * root) }
  return root
}
