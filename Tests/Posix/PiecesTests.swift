import Posix
import TestSupport
import Testing

@Suite struct PiecesTests {
  private func pieces(_ text: String) -> [String] {
    Posix.pieces(of: [UInt8](text.utf8), at: UInt8(ascii: ":")).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  @Test func everySeparatorEndsAPiece() {
    #expect(pieces("") == [""])
    #expect(pieces("a") == ["a"])
    #expect(pieces(":a::b:") == ["", "a", "", "b", ""])
  }

  @Test(
    arguments: [
      ("0", 0), ("007", 7), ("4294967295", 4_294_967_295), ("4294967296", nil), ("", nil),
      ("-1", nil), ("1 ", nil), ("99999999999999999999999", nil), ("x", nil),
    ] as [(String, UInt32?)])
  func numbers(_ text: String, _ expected: UInt32?) {
    #expect(decimalNumber([UInt8](text.utf8)) == expected)
  }

  @Test func searching() {
    let bytes = [UInt8]("abcabc".utf8)
    #expect(index(of: [UInt8]("bc".utf8), in: bytes, from: 0) == 1)
    #expect(index(of: [UInt8]("bc".utf8), in: bytes, from: 2) == 4)
    #expect(index(of: [UInt8]("bc".utf8), in: bytes, from: 5) == nil)
    #expect(index(of: [UInt8]("bc".utf8), in: bytes, from: 6) == nil)
    #expect(index(of: bytes, in: bytes, from: 0) == 0)
  }

  /// An exclusive lock needs write access to the file. Asking takes no lock.
  @Test func locksOfOpenFiles() throws {
    let place = try TemporaryDirectory()
    try place.write("file", [1])
    let one = try FileDescriptor.open(place("file"), .updateNoFollow)
    let other = try FileDescriptor.open(place("file"), .readNoFollow)
    let isForReadersToo = (try? other.lockRecord(exclusive: true)) != nil
    #expect(!isForReadersToo)
    var answers = [try other.isRecordLocked(), try one.lockRecord(exclusive: true)]
    answers += [try other.isRecordLocked(), try one.isRecordLocked()]
    #expect(answers == [false, true, true, false])
    answers = [try other.lockRecord(exclusive: false), try one.lockRecord(exclusive: false)]
    answers += [try other.lockRecord(exclusive: false), try one.isRecordLocked()]
    #expect(answers == [false, true, true, true])
    let isShared = try !one.lockRecord(exclusive: true)
    #expect(isShared)
  }

  /// The mode of a symlink's target never changes.
  @Test func modesOfNames() throws {
    let place = try TemporaryDirectory()
    try place.write("file", [1], mode: 0o640)
    try place.symlink("link", to: "file")
    try? DirectoryHandle.current.setMode(of: place("link"), 0o777)
    #expect(try place.status("file").mode == 0o640)
    try place.makeDirectory("closed", mode: 0)
    try DirectoryHandle.current.setMode(of: place("closed"), 0o711)
    #expect(try place.status("closed").mode == 0o711)
  }
}
