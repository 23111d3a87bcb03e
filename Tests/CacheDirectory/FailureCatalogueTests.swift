import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import CacheDirectory

/// The failures of the modules that read a onefile and choose its cache, as the code makes them.
///
/// `Snapshots/failures.txt` has a line "KIND: TEXT" for each. Tests/EndToEnd/test_launch_document.py compares it
/// with docs/launch.md and docs/format.md. '...' stands for a path, N for a number, and "..." for text with lines
/// of its own.
@Suite struct FailureCatalogueTests {
  @Test func theSnapshotHasEveryFailure() throws {
    var lines: [String] = []
    var kind = nextKind(nil)
    while let this = kind {
      lines += samples(this).map { "\(name(this)): \($0)" }
      kind = nextKind(this)
    }
    var part = nextPart(nil)
    while let this = part {
      lines.append("damage: \(masked(damage(this)))")
      part = nextPart(this)
    }
    for fault in FormatError.Fault.allCases {
      lines.append("fault: \(String(decoding: FormatError(fault).message, as: UTF8.self))")
    }
    let text = lines.map { "\($0)\n" }.joined()
    #expect(try text == Repository.snapshot("Tests/CacheDirectory/Snapshots/failures.txt", text))
  }

  private static let path = Path("...")

  /// The text after "is damaged: ".
  private func damage(_ part: Failure.Part) -> String {
    let text = Failure.damaged(part, Self.path).description.string
    return String(text.dropFirst("'...' is damaged: ".count))
  }

  /// One sample of each text that the functions for failures of this kind can return.
  private func samples(_ kind: Failure.Kind) -> [String] {
    let needed = GlibcRequirement(version: GlibcVersion(2, 36)!, file: [UInt8]("...".utf8))
    let found: [Failure] =
      switch kind {
      case .noPayload: [.noPayload(Self.path)]
      case .format: [.format(FormatError(.trailerMagic), Self.path)]
      case .damaged: [.damaged(.trailer, Self.path)]
      case .noSpace:
        [(2, 1), (1, 2)].map { .noSpace(directory: Self.path, needed: $0, available: $1) }
      case .noNodes: [.noNodes(directory: Self.path, needed: 2, available: 1)]
      case .glibc(found: true): [.glibc(needed, found: GlibcVersion(2, 31))]
      case .glibc(found: false): [.glibc(needed, found: nil)]
      case .occupied: [.occupied(Self.path)]
      case .noDirectory: [.noDirectory([])]
      // Failures of system calls, of the launcher and of the packer.
      case .system, .interrupted, .notExecutable, .noEntry, .usage, .refused: []
      }
    return found.map { failure in
      #expect(failure.kind == kind)
      let text = masked(failure.description.string)
      switch kind {
      case .format, .damaged: return "'...' is damaged: ..."
      case .noDirectory: return text + "..."
      default: return text
      }
    }
  }

  /// Replaces each number, such as 17 or 2.36, by N.
  private func masked(_ text: String) -> String {
    text.replacing(#/\b[0-9]+(\.[0-9]+)?\b/#, with: "N")
  }

  private func name(_ kind: Failure.Kind) -> String {
    String("\(kind)".prefix { $0 != "(" })
  }

  // The compiler requires a case for every kind and part that is added.

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
    case .noEntry: .usage
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
