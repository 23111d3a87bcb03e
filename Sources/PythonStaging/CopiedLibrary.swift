public import BuildTools
import Posix
import Reporting

/// A shared library that was copied from the build machine to the tree's `lib`.
public struct CopiedLibrary: Equatable, Sendable {
  public var name: String
  /// The package of the build machine's distribution that has it; nil if none is known to.
  public var package: SystemPackage?
  /// Programs and libraries that need it, from the tree's root.
  public var neededBy: [String]

  /// The directory of a package's licences in the tree, from its root.
  static func licenseDirectory(of package: SystemPackage) -> String {
    ".onefold/licenses/\(package.name)"
  }

  /// The path in the tree.
  public var path: String { "lib/\(name)" }
}

extension CopiedLibrary {
  private static let separator: Character = "\t"

  /// One line that `init(line:)` reads. No field has a tab or a line end.
  var line: String {
    let package = self.package.map {
      [
        $0.format.rawValue, $0.system, $0.release, $0.name, $0.version, $0.architecture, $0.license,
      ]
    }
    let fields = [name] + (package ?? Array(repeating: "", count: 7)) + neededBy
    return fields.map { $0.filter { $0 != "\t" && !$0.isNewline } }.joined(separator: "\t")
  }

  init(line: String) {
    let fields = line.split(separator: Self.separator, omittingEmptySubsequences: false)
      .map(String.init)
    name = fields[0]
    neededBy = Array(fields.dropFirst(8))
    guard fields.count >= 8, let format = SystemPackage.Format(rawValue: fields[1]) else { return }
    package = SystemPackage(
      format: format, system: fields[2], release: fields[3], name: fields[4], version: fields[5],
      architecture: fields[6], license: fields[7])
  }
}
