import PayloadFormat
import PayloadReader
import Posix
import Reporting

/// The lines on stderr that are no failures. Tests/Launcher records them for docs/launch.md.
enum Lines {
  // What a verb did.

  static func verified(_ manifest: Manifest) -> Text { "verified: \(sizeText(manifest))" }
  static func extracted(_ manifest: Manifest, to directory: Path) -> Text {
    "extracted to \(directory.quoted): \(counted(manifest.fileCount, "file"))"
  }
  static func removed(_ path: Path) -> Text { "removed \(path.quoted)" }
  static func moved(_ path: Path) -> Text { "moved the program's own files to \(path.quoted)" }
  static func inUse(_ path: Path) -> Text { "in use: \(path.quoted)" }
  static func stopped(_ name: Text, _ place: Text) -> Text { "stopped \(name), \(place)" }
  static var nothingToRemove: Text { "there is nothing to remove" }

  // What takes long, before the figures of `TerminalProgress`. `name` is the escaped name of the application.

  static func unpacking(_ name: Text) -> Text { "unpacking \(name)" }
  static func repairing(_ name: Text) -> Text { "repairing \(name)" }
  static func checking(_ name: Text) -> Text { "checking \(name)" }
  static func verifying(_ name: Text) -> Text { "verifying \(name)" }
  static func waiting(_ name: Text) -> Text {
    "waiting for another instance to unpack \(name)"
  }

  // While the launch continues.

  static func notUsed(_ directory: Path, reason: Text) -> Text {
    "\(directory.quoted) is not used: it \(reason)"
  }

  /// The message of `failed`, for a launch that a signal ended.
  static var interrupted: Text { "interrupted by a signal" }
}
