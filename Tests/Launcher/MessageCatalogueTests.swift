import Glibc
import PayloadFormat
import PayloadReader
import Posix
import Reporting
import TestSupport
import Testing

@testable import CacheDirectory
@testable import Launcher

/// The texts of a launch and its verbs, as the code makes them.
///
/// `Snapshots/messages.txt` has a line "KIND: TEXT" for each. Tests/EndToEnd/test_launch_document.py compares it
/// with docs/launch.md and docs/format.md, and with the texts in the bootloader. '...' stands for a path or a
/// value, N for a number, and "..." for other text. A fault's line is "fault NAME: TEXT".
@Suite struct MessageCatalogueTests {
  @Test func theSnapshotHasEveryText() async throws {
    var lines = messages().map { "message: \($0)" } + damages() + faults()
    lines += stderrLines() + terminalLines()
    lines += try await events()
    for name in Timeline.Name.allCases { lines.append("timeline: \(name.text)") }
    let help = Verb.helpText.string.split(separator: "\n").map { $0.drop { $0 == " " } }
    lines += help.map { "help: \($0)" }
    let text = lines.map { "\($0)\n" }.joined()
    #expect(try text == Repository.snapshot("Tests/Launcher/Snapshots/messages.txt", text))
  }

  private static let path = Path("...")
  private static let call = Failure("OPERATION", path, .noSuchFile)
  private static let record = LaunchRecord(
    name: [UInt8]("...".utf8), entry: [0x62], target: [0x63])
  private static let instance = RunningInstance(
    process: 10, started: FileTime(seconds: 0, nanoseconds: 0), address: [UInt8]("...".utf8),
    version: [], file: [])

  // MARK: Failures

  /// The messages of all failures, with their advice.
  private func messages() -> [String] {
    var result: [String] = []
    var kind = nextKind(nil)
    while let this = kind {
      for failure in samples(this) {
        #expect(failure.kind == this)
        result.append(shown(failure.message))
        let extracting = failure.whileExtracting
        if extracting !== failure { result.append(shown(extracting.message)) }
      }
      kind = nextKind(this)
    }
    return result
  }

  /// A message for the catalogue.
  private func shown(_ message: Text) -> String {
    let reason = Errno.noSuchFile.description.string
    // Samples have numbers of two digits. The others are part of the text.
    return message.string.replacing(#/\b([0-9]{2,}|[0-9]+\.[0-9]+)\b/#, with: "N")
      .replacing(reason, with: "REASON")
      .replacing(Verb.list.string, with: "...").replacing("to: ;", with: "to: ...;")
      .replacing("ONEFOLD=\(Verb.files.name)", with: "ONEFOLD=...")
      .replacing(FormatError(.trailerMagic).message.text, with: "...")
  }

  /// One sample of each text that the functions for failures of this kind can return.
  private func samples(_ kind: Failure.Kind) -> [Failure] {
    let path = Self.path
    let needed = GlibcRequirement(version: GlibcVersion(2, 36)!, file: [UInt8]("...".utf8))
    switch kind {
    case .system: return [Self.call, Failure("OPERATION", Path(), .noSuchFile)]
    case .noPayload: return [.noPayload(path)]
    case .format: return [.format(FormatError(.trailerMagic), path)]
    case .noSpace:
      return [(20, 10), (10, 20)].map { .noSpace(directory: path, needed: $0, available: $1) }
    case .noNodes: return [.noNodes(directory: path, needed: 20, available: 10)]
    case .glibc(found: true): return [.glibc(needed, found: GlibcVersion(2, 31))]
    case .glibc(found: false): return [.glibc(needed, found: nil)]
    case .occupied: return [.occupied(path)]
    case .noDirectory: return [.noDirectory([])]
    case .notExecutable:
      return [
        .notExecutable(Failure("execute", path, .noSuchFile).description), .noLoader(for: path),
      ]
    case .refused:
      return [
        .isPrivileged, .unknownVerb(path), .needsDirectory, .takesNoArguments(.files),
        .hasNoInventory,
        .unknownCheck(path), .unknownProgress(path), .closedProgress(10), .unknownParentDeath(path),
        .unknownReuse(path),
        .unusableTrace(Self.call), .isInUse(path), .lostOutput(.noSuchFile),
        .badParentDescriptor(10, .invalidArgument), .badParentDescriptor(10, .badDescriptor),
        .unknownCommand(path), .unknownAddress(path, isTooLong: true),
        .unknownAddress(path, isTooLong: false), .noPassedSocket, .stopArguments, .statusArguments,
        .foreignRuntimeDirectory(path), .foreignUserFile(path),
      ]
    case .addressTaken:
      return [.addressTaken("...", by: nil), .addressTaken("...", by: "pid 10 (...)")]
    case .isRunning: return [.isRunning(Self.record, Self.instance)]
    case .notRunning: return [.notRunning(Self.record)]
    case .notStopped:
      return [
        .hasNotStopped(Self.record, Self.instance, 10),
        .cannotStop(Self.record, Self.instance, .noSuchFile),
      ]
    // The message of damage is that of the format, of a missing entry that of an entry that cannot be executed.
    // `interrupted` is not shown, and `usage` is the packer's.
    case .damaged, .noEntry, .interrupted, .usage: return []
    }
  }

  /// The texts after "is damaged: ".
  private func damages() -> [String] {
    var result: [String] = []
    var part = nextPart(nil)
    while let this = part {
      let text = Failure.damaged(this, Self.path).description.string
      result.append("damage: " + masked(String(text.dropFirst("'...' is damaged: ".count))))
      part = nextPart(this)
    }
    return result
  }

  private func faults() -> [String] {
    FormatError.Fault.allCases.map { "fault \($0): \(FormatError($0).message.text)" }
  }

  /// Replaces each number, such as 17 or 2.36, by N.
  private func masked(_ text: String) -> String {
    text.replacing(#/\b[0-9]+(\.[0-9]+)?\b/#, with: "N")
  }

  // MARK: Lines

  private func stderrLines() -> [String] {
    let manifest = try! Manifest(parsing: ManifestBuilder.ofEmptyTree)
    let path = Self.path
    let said: [Text] = [
      Lines.verified(manifest), Lines.extracted(manifest, to: path), Lines.removed(path),
      Lines.moved(path), Lines.inUse(path), Lines.nothingToRemove,
      Lines.stopped("...", Self.instance.place),
    ]
    return said.map { "on stderr: \(masked($0.string))" }
      + ["warning: \(Lines.notUsed(path, reason: "..."))", "interrupted: \(Lines.interrupted)"]
  }

  private func terminalLines() -> [String] {
    let work = [Lines.unpacking, Lines.checking, Lines.repairing, Lines.verifying]
    let lines = work.map { TerminalProgress.line($0("..."), done: 1, total: 2) }
    return (lines + [Lines.waiting("...")]).map { "on a terminal: \(masked($0.string))" }
  }

  /// Each event with its members, as a launch would write them. A process of its own writes them.
  private func events() async throws -> [String] {
    let result = try #require(
      await #expect(processExitsWith: .exitCode(0), observing: [\.standardOutputContent]) {
        let lines = ProgressLines(descriptor: 1)!
        lines.listening(try! SocketAddress(parsing: Path("127.0.0.1:10")))
        lines.start(name: [0x6E], version: [0x31])
        lines.waiting()
        for work in [ProgressLines.Work.unpacking, .checking, .repairing] {
          lines.show(work, done: 2, total: 2)
        }
        lines.ready(unpacked: true)
        lines.failed(125, isSignal: false, "m")
        lines.failed(15, isSignal: true, "m")
        exit(0)
      })
    let text = String(decoding: result.standardOutputContent, as: UTF8.self)
    return text.split(separator: "\n").compactMap { line in
      guard let start = line.firstRange(of: #"{"event":""#)?.lowerBound else { return nil }
      let members = line[start...].matches(of: #/"(\w+)":(?:"(\w+)")?/#)
      let event = members[0].output.2 ?? ""
      return "event: \(event)" + members.dropFirst().map { " \($0.output.1)" }.joined()
    }
  }

  // MARK: Completeness

  // The compiler requires a case for every kind and part that is added. A text that no sample has is found by the
  // comparison with the bootloader.

  private func nextKind(_ kind: Failure.Kind?) -> Failure.Kind? {
    switch kind {
    case nil: .system
    case .system: .interrupted
    case .interrupted: .noPayload
    case .noPayload: .format
    case .format: .damaged
    case .damaged: .noSpace
    case .noSpace: .noNodes
    case .noNodes: .glibc(found: true)
    case .glibc(found: true): .glibc(found: false)
    case .glibc(found: false): .occupied
    case .occupied: .noDirectory
    case .noDirectory: .notExecutable
    case .notExecutable: .noEntry
    case .noEntry: .addressTaken
    case .addressTaken: .isRunning
    case .isRunning: .notRunning
    case .notRunning: .notStopped
    case .notStopped: .usage
    case .usage: .refused
    case .refused: nil
    }
  }

  private func nextPart(_ part: Failure.Part?) -> Failure.Part? {
    switch part {
    case nil: .trailer
    case .trailer: .record
    case .record: .manifest
    case .manifest: .bootloader
    case .bootloader: .frame(1)
    case .frame: .undecodable(1)
    case .undecodable: .undecodableManifest
    case .undecodableManifest: .content(path: [UInt8]("...".utf8))
    case .content: nil
    }
  }
}

extension [UInt8] {
  fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}

extension ManifestBuilder {
  /// The encoded manifest of a tree with two empty files.
  fileprivate static var ofEmptyTree: [UInt8] {
    var builder = ManifestBuilder()
    builder.appendDirectory(
      Header(parent: 0, name: [], mode: 0o755, modifiedSeconds: 0, modifiedNanoseconds: 0))
    for name in ["a", "b"] {
      builder.appendFile(
        Header(
          parent: 0, name: [UInt8](name.utf8), mode: 0o644, modifiedSeconds: 0,
          modifiedNanoseconds: 0), size: 0, segments: 0..<0, hash: .zero)
    }
    return builder.encoded()
  }
}
