/// The reason why bytes are not a payload of format version 1 (docs/format.md).
public struct FormatError: Error, Equatable, Sendable {
  public let fault: Fault
  /// The index of the row, field or entry, counted from 0; nil if the fault has no place.
  public let index: Int?

  public init(_ fault: Fault, _ index: Int? = nil) {
    self.fault = fault
    self.index = index
  }

  /// "an entry's name is not a valid file name (entry 3)", in ASCII.
  public var message: [UInt8] {
    var text: [UInt8] = []
    text.append(ascii: fault.message)
    guard let index else { return text }
    text.append(ascii: " (")
    text.append(ascii: fault.unit)
    text.append(ascii: " ")
    text.append(decimal: index)
    text.append(ascii: ")")
    return text
  }

  /// The rules of docs/format.md that bytes can break.
  public enum Fault: UInt8, CaseIterable, Sendable {
    // Trailer.
    case trailerTooShort, trailerMagic, trailerVersion, trailerLength, trailerReserved
    case trailerCodec, trailerBootloader, trailerManifest, trailerRecord, trailerOffset
    // Launch record.
    case recordTooShort, recordMagic, recordVersion, recordReserved, recordFieldCount
    case recordFieldCut, recordFieldFlags, recordFieldOrder, recordFieldUnknown, recordFieldRepeated
    case recordFieldMissing, recordTrailing, recordName, recordText, recordEntry, recordNul
    case recordVariable, recordGlibc, recordPolicy, recordCommand
    // Manifest: header and section table.
    case manifestTooShort, manifestMagic, manifestVersion, manifestReserved, manifestSectionCount
    case sectionOrder, sectionFlags, sectionBounds, sectionUnknown, sectionMissing, sectionRows
    // Frames.
    case frameOffset, frameStoredLength, frameRawLength, frameCodec, frameFilter, frameReserved
    // Segments.
    case segmentFrame, segmentReserved, segmentBounds, segmentLength, segmentHole
    // Entries.
    case entryNone, entryRoot, entryType, entryReserved, entryMode, entryParent, entryOrder
    case entryNameBounds, entryName, entryDepth, entryTime, entryUnused, entryTargetBounds
    case entryTarget, entryTargetOutside, entryHardLink, entrySegments, entrySize, entryTotal

    var message: StaticString {
      switch self {
      case .trailerTooShort: "the trailer is cut short"
      case .trailerMagic: "there is no trailer"
      case .trailerVersion: "the format version is not 1"
      case .trailerLength: "the trailer's length is not 256"
      case .trailerReserved: "a reserved byte of the trailer is not zero"
      case .trailerCodec: "the manifest needs a newer reader: its codec is unknown"
      case .trailerBootloader: "the bootloader's length and the payload offset do not fit"
      case .trailerManifest: "the manifest's offset or length is out of range"
      case .trailerRecord: "the launch record's offset or length is out of range"
      case .trailerOffset: "the trailer is not where it says it is"
      case .recordTooShort: "the launch record is cut short"
      case .recordMagic: "the launch record does not begin with OFLR"
      case .recordVersion: "the launch record's version is not 1"
      case .recordReserved: "a reserved byte of the launch record is not zero"
      case .recordFieldCount: "the launch record has too many fields"
      case .recordFieldCut: "a field of the launch record is cut short"
      case .recordFieldFlags: "a reserved flag of a launch record field is set"
      case .recordFieldOrder: "the launch record's fields are out of order"
      case .recordFieldUnknown: "the launch record needs a newer reader"
      case .recordFieldRepeated: "a field of the launch record is given twice"
      case .recordFieldMissing: "the launch record lacks its name, entry or target"
      case .recordTrailing: "bytes follow the last field of the launch record"
      case .recordName: "the application's name is not valid"
      case .recordText: "a text of the launch record is too long or holds control characters"
      case .recordEntry: "the launch record's entry is not a path in the tree"
      case .recordNul: "a value of the launch record holds a NUL"
      case .recordVariable: "an environment variable of the launch record is not valid"
      case .recordGlibc: "the launch record's glibc is not a version and a path in the tree"
      case .recordPolicy: "a policy of the launch record has an unknown value"
      case .recordCommand: "a command of the launch record is not valid, or its name is used twice"
      case .manifestTooShort: "the manifest is cut short"
      case .manifestMagic: "the manifest does not begin with OFMF"
      case .manifestVersion: "the manifest's version is not 1"
      case .manifestReserved: "a reserved byte of the manifest is not zero"
      case .manifestSectionCount: "the number of sections is not 4 to 64"
      case .sectionOrder: "the sections are out of order"
      case .sectionFlags: "a section's flags are not valid"
      case .sectionBounds: "a section is not where the one before it ends"
      case .sectionUnknown: "the manifest needs a newer reader"
      case .sectionMissing: "a section is missing"
      case .sectionRows: "a section is not a whole number of rows"
      case .frameOffset: "a frame is not where the one before it ends"
      case .frameStoredLength: "a frame's stored length is out of range"
      case .frameRawLength: "a frame's raw length is out of range"
      case .frameCodec: "a frame needs a newer reader: its codec is unknown"
      case .frameFilter: "a frame needs a newer reader: its filter is unknown"
      case .frameReserved: "a reserved byte of a frame is not zero"
      case .segmentFrame: "a segment's frame does not exist"
      case .segmentReserved: "a reserved byte of a segment is not zero"
      case .segmentBounds: "a segment leaves its frame"
      case .segmentLength: "a segment's length is zero or too large"
      case .segmentHole: "a hole has an offset"
      case .entryNone: "there is no entry"
      case .entryRoot: "the first entry is not a root directory"
      case .entryType: "an entry's type is unknown"
      case .entryReserved: "a reserved byte of an entry is not zero"
      case .entryMode: "an entry's mode is out of range"
      case .entryParent: "an entry's parent is not a directory before it"
      case .entryOrder: "the entries are out of order or a name stands twice"
      case .entryNameBounds: "an entry's name leaves the strings"
      case .entryName: "an entry's name is not a valid file name"
      case .entryDepth: "an entry's path is longer than 3072 bytes"
      case .entryTime: "an entry's time is out of range"
      case .entryUnused: "a field that the entry's type does not use is not zero"
      case .entryTargetBounds: "a symlink's target leaves the strings"
      case .entryTarget: "a symlink's target is empty, too long or holds a NUL"
      case .entryTargetOutside: "a symlink leaves the tree"
      case .entryHardLink: "a hard link's target is not a file before it"
      case .entrySegments: "a file's segments do not exist"
      case .entrySize: "a file's segments do not add up to its size"
      case .entryTotal: "the files refer to more segments or bytes than a reader accepts"
      }
    }

    var unit: StaticString {
      switch self {
      case .recordFieldCut, .recordFieldFlags, .recordFieldOrder, .recordFieldUnknown,
        .recordFieldRepeated, .recordName, .recordText, .recordEntry, .recordNul, .recordVariable,
        .recordGlibc, .recordPolicy, .recordCommand:
        "field"
      case .sectionOrder, .sectionFlags, .sectionBounds, .sectionUnknown, .sectionMissing,
        .sectionRows:
        "section"
      case .frameOffset, .frameStoredLength, .frameRawLength, .frameCodec, .frameFilter,
        .frameReserved:
        "frame"
      case .segmentFrame, .segmentReserved, .segmentBounds, .segmentLength, .segmentHole: "segment"
      default: "entry"
      }
    }
  }
}
