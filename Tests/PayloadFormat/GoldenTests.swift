import PayloadFormat
import Posix
import TestSupport
import Testing

/// The files of Tests/Golden. Each valid one is accepted; each invalid one is refused for the fault in its name.
@Suite struct GoldenTests {
  enum Kind: String, CaseIterable, CustomTestStringConvertible {
    case trailer, record, manifest

    var testDescription: String { rawValue }

    var directory: Path { Repository.path("Tests/Golden/\(rawValue)") }

    /// The position that the vectors' trailers state.
    static let trailerPosition: UInt64 = 536_880_404

    func parse(_ bytes: [UInt8]) throws(FormatError) {
      switch self {
      case .trailer: _ = try Trailer(parsing: bytes.span, at: Kind.trailerPosition)
      case .record: _ = try LaunchRecord(parsing: bytes.span)
      case .manifest: _ = try Manifest(parsing: bytes)
      }
    }

    /// The fault for which the bytes are refused; nil if they are accepted.
    func fault(_ bytes: [UInt8]) -> FormatError.Fault? {
      do throws(FormatError) {
        try parse(bytes)
        return nil
      } catch { return error.fault }
    }
  }

  @Test(arguments: Kind.allCases)
  func validVectorsAreAccepted(_ kind: Kind) throws {
    let files = try names(in: kind.directory).filter { $0.hasPrefix("valid-") }
    #expect(files.count >= 5)
    for file in files {
      let bytes = try readFile(kind.directory.appending(file.utf8))
      #expect(kind.fault(bytes) == nil, "\(file)")
    }
  }

  @Test(arguments: Kind.allCases)
  func invalidVectorsAreRefusedForTheirFault(_ kind: Kind) throws {
    let files = try names(in: kind.directory).filter { $0.hasPrefix("invalid-") }
    #expect(files.count >= 40)
    for file in files {
      let bytes = try readFile(kind.directory.appending(file.utf8))
      let fault = kind.fault(bytes).map { "\($0)" }
      #expect(fault == GoldenTests.fault(of: file), "\(file)")
    }
  }

  @Test(arguments: Kind.allCases)
  func everyFileIsAVector(_ kind: Kind) throws {
    for file in try names(in: kind.directory) {
      #expect(file.hasSuffix(".bin") && (file.hasPrefix("valid-") || file.hasPrefix("invalid-")))
    }
  }

  @Test func everyFaultHasAVector() throws {
    var seen: Set<String> = []
    for kind in Kind.allCases {
      for file in try names(in: kind.directory) where file.hasPrefix("invalid-") {
        seen.insert(GoldenTests.fault(of: file))
      }
    }
    for fault in FormatError.Fault.allCases {
      #expect(seen.contains("\(fault)"), "\(fault) has no vector")
    }
    let known = Set(FormatError.Fault.allCases.map { "\($0)" })
    #expect(seen.isSubset(of: known))
  }

  @Test func trailersHashTheirBytes() throws {
    for file in try names(in: Kind.trailer.directory) {
      let bytes = try readFile(Kind.trailer.directory.appending(file.utf8))
      guard bytes.count == Trailer.byteCount else { continue }
      #expect(Array(bytes[224...]) == Trailer.hash(in: bytes.span).bytes, "\(file)")
    }
  }

  /// "invalid-FAULT-VARIANT.bin" or "invalid-FAULT.bin".
  private static func fault(of file: String) -> String {
    String(file.dropFirst("invalid-".count).prefix { $0 != "-" && $0 != "." })
  }
}
