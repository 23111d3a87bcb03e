import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

/// Files that are not onefiles, and damaged onefiles.
@Suite struct PayloadTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The failure of reading `bytes` as a onefile, with its manifest.
  private func failure(reading bytes: [UInt8]) throws -> String {
    let path = try directory.write("file", bytes)
    defer { try? directory.remove("file") }
    return failure { () throws(Failure) in
      _ = try Payload.open(path).readManifest()
    }
  }

  private func failure(_ body: () throws(Failure) -> Void) -> String {
    PayloadReaderTests.failure(body)
  }

  @Test func aOnefileIsRead() throws {
    let payload = try Onefile.sample().open(in: directory)
    #expect(payload.record.name == [UInt8]("app".utf8))
    #expect(payload.appendedLength == 0)
    #expect(payload.treeID.bytes == digest(Onefile.sample().manifest()).bytes)
    #expect(try payload.readManifest().entryCount == 8)
    try payload.verifyPrefix()
  }

  @Test(
    arguments: [
      [], [0], [UInt8](repeating: 0, count: 255), [UInt8](repeating: 0, count: 256), noise(70_000),
      [0x89, 0x4F, 0x46, 0x4C, 0x44, 0x0D, 0x0A, 0x1A],
    ] as [[UInt8]])
  func otherFilesHoldNoPayload(_ bytes: [UInt8]) throws {
    #expect(try failure(reading: bytes) == "no payload")
  }

  @Test func directoriesHoldNoPayload() throws {
    #expect(
      failure { () throws(Failure) in _ = try Payload.open(directory.path) } == "no payload")
    #expect(
      failure { () throws(Failure) in _ = try Payload.open(Path("/dev/null")) } == "no payload"
    )
    #expect(
      failure { () throws(Failure) in _ = try Payload.open(directory("none")) } == "system 2")
  }

  @Test func everyCutIsRefused() throws {
    let bytes = Onefile.sample().encoded()
    for count in stride(from: bytes.count - 1, to: bytes.count - 300, by: -1) {
      #expect(try failure(reading: Array(bytes[..<count])) == "no payload")
    }
    for count in stride(from: 0, to: bytes.count - 300, by: 97) {
      #expect(try failure(reading: Array(bytes[..<count])) == "no payload")
    }
  }

  @Test func aMissingBeginningIsRefused() throws {
    let bytes = Onefile.sample().encoded()
    #expect(try failure(reading: Array(bytes[1...])) == "no payload")
    #expect(try failure(reading: Array(bytes[(bytes.count - 256)...])) == "no payload")
    #expect(try failure(reading: [0] + bytes) == "no payload")
  }

  @Test func everyFlippedByteOfTheEndIsRefused() throws {
    let onefile = Onefile.sample()
    let bytes = onefile.encoded()
    let record = bytes.count - 256 - onefile.record.encoded().count
    let manifest = record - onefile.manifest().count
    for index in manifest..<bytes.count {
      var changed = bytes
      changed[index] ^= 0x20
      let expected: Set<String>
      if index < record {
        expected = ["manifest"]
      } else if index < bytes.count - 256 {
        expected = ["record"]
      } else {
        expected = ["trailer", "no payload"]
      }
      let found = try failure(reading: changed)
      #expect(expected.contains(found) || found.hasPrefix("format trailer"), "\(index): \(found)")
      #expect(index >= bytes.count - 256 || expected.contains(found), "\(index): \(found)")
    }
  }

  @Test(arguments: [0, 1, 255, 8192, 65_535, 65_536])
  func appendedBytesAreTolerated(_ count: Int) throws {
    var onefile = Onefile.sample()
    onefile.appended = noise(count)
    let payload = try onefile.open(in: directory)
    #expect(payload.appendedLength == UInt64(count))
    #expect(try payload.readManifest().entryCount == 8)
  }

  @Test func moreAppendedBytesAreNot() throws {
    var onefile = Onefile.sample()
    onefile.appended = noise(65_537)
    #expect(try failure(reading: onefile.encoded()) == "no payload")
  }

  @Test func aSignatureThatHoldsATrailerDoesNotHideTheRealOne() throws {
    var onefile = Onefile.sample()
    onefile.appended = Array(Onefile.sample().encoded().suffix(1000)) + noise(10)
    let payload = try onefile.open(in: directory)
    #expect(payload.appendedLength == 1010)
  }

  @Test(arguments: [8000, 8192, 20_000, 65_000])
  func longRecordsAreRead(_ length: Int) throws {
    var onefile = Onefile.sample()
    onefile.record.arguments = [[UInt8](repeating: 0x61, count: length)]
    for appended in [0, 1000, 65_536] {
      onefile.appended = noise(appended)
      let payload = try onefile.open(in: directory)
      #expect(payload.record.arguments == onefile.record.arguments)
      try directory.remove("onefile")
    }
  }

  // MARK: Hostile: all hashes are right

  @Test func anInvalidRecordIsRefused() throws {
    var onefile = Onefile.sample()
    onefile.editRecord = { $0[4] = 2 }
    #expect(try failure(reading: onefile.encoded()) == "format recordVersion")
  }

  @Test func anInvalidManifestIsRefused() throws {
    var onefile = Onefile.sample()
    onefile.editManifest = { $0[4] = 2 }
    #expect(try failure(reading: onefile.encoded()) == "format manifestVersion")
  }

  @Test func framesThatDoNotFillTheirPlaceAreRefused() throws {
    var onefile = Onefile.sample()
    let bare = Onefile().manifest()
    onefile.editManifest = { $0 = bare }
    #expect(try failure(reading: onefile.encoded()) == "format trailerManifest")
  }

  @Test(arguments: [1, 1 << 40, UInt64.max] as [UInt64])
  func offsetsThatDoNotFitAreRefused(_ difference: UInt64) throws {
    let edits: [(inout Trailer) -> Void] = [
      { $0.bootloaderLength &+= difference &* 4096 }, { $0.payloadOffset &+= difference },
      { $0.manifestOffset &+= difference }, { $0.manifestStoredLength &+= difference },
      { $0.recordOffset &+= difference }, { $0.recordLength &+= difference },
    ]
    for edit in edits {
      var onefile = Onefile.sample()
      onefile.editTrailer = edit
      let found = try failure(reading: onefile.encoded())
      #expect(found.hasPrefix("format trailer"), "\(found)")
    }
    var onefile = Onefile.sample()
    onefile.editTrailer = { $0.trailerOffset &+= difference }
    #expect(try failure(reading: onefile.encoded()) == "no payload")
  }

  @Test func theTreeIDMustBeTheManifestsHash() throws {
    var onefile = Onefile.sample()
    onefile.editTrailer = { $0.manifestHash = .zero }
    #expect(try failure(reading: onefile.encoded()) == "manifest")
  }

  @Test func theRecordMustHaveItsHash() throws {
    var onefile = Onefile.sample()
    onefile.editTrailer = { $0.recordHash = .zero }
    #expect(try failure(reading: onefile.encoded()) == "record")
  }

  @Test func thePrefixMustHaveItsHash() throws {
    var onefile = Onefile.sample()
    onefile.editTrailer = { $0.prefixHash = .zero }
    let payload = try onefile.open(in: directory)
    #expect(failure { () throws(Failure) in try payload.verifyPrefix() } == "bootloader")
  }

  // MARK: The manifest's codec

  @Test(arguments: [Codec.zstd, .xz])
  func compressedManifestsAreDecoded(_ codec: Codec) throws {
    var onefile = Onefile.sample()
    let raw = onefile.manifest()
    onefile.storedManifest = (codec == .zstd ? zstd(raw) : xz(raw), codec)
    #expect(try onefile.open(in: directory).readManifest().entryCount == 8)
  }

  @Test func undecodableManifestsAreRefused() throws {
    let raw = Onefile.sample().manifest()
    let attempts: [([UInt8], Codec)] = [
      (noise(100), .zstd), (noise(100), .xz), (zstd(raw) + [0], .zstd), (xz(raw) + [0], .xz),
      (zstd(Array(raw.dropLast())), .zstd), (xz(raw + [0]), .xz), (zstd(raw + [0]), .zstd),
      (zstd(raw), .xz), (xz(raw), .zstd),
    ]
    for (stored, codec) in attempts {
      var onefile = Onefile.sample()
      onefile.storedManifest = (stored, codec)
      #expect(try failure(reading: onefile.encoded()) == "undecodable manifest")
    }
  }

  @Test func aStoredManifestHasItsOwnLength() throws {
    var onefile = Onefile.sample()
    onefile.storedManifest = (onefile.manifest() + [0], .store)
    #expect(try failure(reading: onefile.encoded()) == "format trailerManifest")
  }

  // MARK: Messages

  @Test func messagesNameTheFileAndEscapeIt() throws {
    let path = try directory.write("evil\u{1B}[2J", [])
    do throws(Failure) {
      _ = try Payload.open(path)
      Issue.record("it was read")
    } catch {
      let text = error.description.string
      #expect(text.contains("evil\\x1b[2J"))
      #expect(text.hasSuffix("holds no payload: it was cut short or stripped, or is not a onefile"))
    }
  }

  @Test func inspectionEscapesWhatTheFileSays() throws {
    var onefile = Onefile.sample()
    onefile.frames[0] = Onefile.Frame(
      stored: zstd(onefile.frames[0].stored), rawLength: 5000, codec: .zstd)
    onefile.record.arguments = [[0x1B, 0x5B, 0x41]]
    onefile.record.variables = [[UInt8]("A=\n".utf8)]
    onefile.appended = [1, 2, 3]
    let payload = try onefile.open(in: directory)
    let text = inspectionText(payload, try payload.readManifest()).string
    #expect(text.contains("argument    \\x1b[A\n"))
    #expect(text.contains("environment A=\\x0a\n"))
    #expect(text.contains("tree id     \(hexText(payload.treeID.bytes).string)\n"))
    #expect(text.contains("frames      4, "))
    #expect(text.contains("(3 store, 1 zstd)\n"))
    #expect(text.contains("in 4 files, 2 directories, 1 symlink, 1 hard link\n"))
    #expect(text.contains("appended    3 bytes after the trailer\n"))
  }
}
