/// A version of an application, as far as versions can be ordered: numbers, then words such as `rc1` or `post2`.
///
/// The words and their order are those of PEP 440. Semantic versions fit in, except for words that PEP 440 lacks. What
/// follows a `+` does not count.
struct VersionOrder: Equatable {
  private var epoch: UInt64 = 0
  private var numbers: [UInt64] = []
  private var words: [Word] = []

  private struct Word: Equatable {
    var rank: Int
    var number: UInt64
  }

  private static let ranks: [String: Int] = [
    "dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1,
    "preview": -1, "post": 1, "rev": 1, "r": 1,
  ]

  /// Nil if the version has another form.
  init?(_ version: [UInt8]) {
    guard let whole = String(validating: version, as: UTF8.self)?.lowercased() else { return nil }
    var text = whole.prefix { $0 != "+" }
    if text.first == "v" { text = text.dropFirst() }
    if let mark = text.firstIndex(of: "!") {
      guard let epoch = VersionOrder.number(text[..<mark]) else { return nil }
      self.epoch = epoch
      text = text[text.index(after: mark)...]
    }
    let release = text.prefix { VersionOrder.isDigit($0) || $0 == "." }
    var parts = release.split(separator: ".", omittingEmptySubsequences: false)
    // The dot of "1.0.dev1".
    if parts.last?.isEmpty == true && release.count < text.count { parts.removeLast() }
    guard !parts.isEmpty else { return nil }
    for part in parts {
      guard let number = VersionOrder.number(part) else { return nil }
      numbers.append(number)
    }
    while numbers.last == 0 { numbers.removeLast() }
    guard readWords(text.dropFirst(release.count)) else { return nil }
  }

  private mutating func readWords(_ text: Substring) -> Bool {
    var rest = text
    func skipSeparator() { if let first = rest.first, ".-_".contains(first) { rest.removeFirst() } }
    while !rest.isEmpty {
      skipSeparator()
      let word = rest.prefix { $0.isASCII && $0.isLetter }
      guard let rank = VersionOrder.ranks[String(word)] else { return false }
      rest = rest.dropFirst(word.count)
      let afterWord = rest
      skipSeparator()
      let digits = rest.prefix(while: VersionOrder.isDigit)
      if digits.isEmpty {
        rest = afterWord
        words.append(Word(rank: rank, number: 0))
      } else {
        guard let number = VersionOrder.number(digits) else { return false }
        rest = rest.dropFirst(digits.count)
        words.append(Word(rank: rank, number: number))
      }
    }
    return true
  }

  private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }

  private static func number(_ text: Substring) -> UInt64? {
    text.allSatisfy(isDigit) ? UInt64(text) : nil
  }

  /// Whether this version comes before `other`.
  func isBefore(_ other: VersionOrder) -> Bool {
    if epoch != other.epoch { return epoch < other.epoch }
    for index in 0..<max(numbers.count, other.numbers.count) {
      let (own, others) = (
        index < numbers.count ? numbers[index] : 0,
        index < other.numbers.count ? other.numbers[index] : 0
      )
      if own != others { return own < others }
    }
    let end = Word(rank: 0, number: 0)
    for index in 0..<max(words.count, other.words.count) {
      let own = index < words.count ? words[index] : end
      let others = index < other.words.count ? other.words[index] : end
      if own != others { return (own.rank, own.number) < (others.rank, others.number) }
    }
    return false
  }
}
