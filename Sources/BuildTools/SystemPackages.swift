public import Posix
import Processes

/// A package of a Linux distribution that a file of the build machine belongs to.
public struct SystemPackage: Equatable, Sendable {
  public enum Format: String, Sendable { case deb, rpm }

  public var format: Format
  /// `ID` and `VERSION_ID` of os-release(5), such as "debian" and "12"; empty if unknown.
  public var system: String
  public var release: String
  public var name: String
  /// With the epoch, such as "1:1.2.13.dfsg-1".
  public var version: String
  public var architecture: String
  /// The licence as an RPM states it. Empty for a package of Debian, whose licences are those of its whole source.
  public var license: String

  public init(
    format: Format, system: String, release: String, name: String, version: String,
    architecture: String, license: String
  ) {
    self.format = format
    self.system = system
    self.release = release
    self.name = name
    self.version = version
    self.architecture = architecture
    self.license = license
  }
}

/// Finds the packages of files by the package database of a system.
public struct SystemPackages {
  /// The root of the system: "/" for the build machine itself.
  private let root: Path
  private let release: [String: String]

  public init(root: Path = Path("/")) {
    self.root = root
    release = Self.readRelease(root)
  }

  /// The package that a file of the system belongs to; nil if no database knows it.
  ///
  /// - Throws: `interrupted`. A database that cannot be asked counts as one that knows nothing.
  public func package(of file: Path) throws(Failure) -> SystemPackage? {
    let names = self.names(of: file)
    if exists(root.appending("var/lib/dpkg")) {
      if let found = try askDpkg(names) { return found }
    }
    if exists(root.appending("var/lib/rpm")) || exists(root.appending("usr/lib/sysimage/rpm")) {
      return try askRPM(names)
    }
    return nil
  }

  /// The absolute names of a file in its system, as a database may have them. `/lib` and `/usr/lib` are often the same
  /// directory, and a library's name is often a symlink.
  private func names(of file: Path) -> [String] {
    var paths = [ProcessContext.absolutePath(file).string]
    var file = file
    for _ in 0..<16 {
      guard let target = try? DirectoryHandle.current.symlinkTarget(of: file) else { break }
      file = target.isAbsolute ? target : file.parent.appending(target.bytes)
      paths.append(ProcessContext.absolutePath(file).string)
    }
    let prefix = root.string == "/" ? "" : ProcessContext.absolutePath(root).string
    var names: [String] = []
    for path in paths.reversed() where path.hasPrefix(prefix) {
      let name = "/" + normalizedPath(String(path.dropFirst(prefix.utf8.count)))
      names.append(name)
      names.append(name.hasPrefix("/usr/") ? String(name.dropFirst(4)) : "/usr" + name)
    }
    return names
  }

  private func run(_ program: HostProgram, _ arguments: [String]) throws(Failure) -> [String] {
    do throws(Failure) {
      let result = try runProgram(
        program.path, arguments.map { Path($0) },
        environment: cleanEnvironment(adding: ["LC_ALL=C"]), timeout: 60)
      let text = String(decoding: result.output, as: UTF8.self)
      return text.split(separator: "\n").map(String.init)
    } catch {
      if error.kind == .interrupted { throw error }
      return []
    }
  }

  /// The files with a package's licences and notices; empty if they are not on this system.
  ///
  /// - Throws: `interrupted`.
  public func licenseFiles(of package: SystemPackage) throws(Failure) -> [Path] {
    let names: [String] =
      switch package.format {
      case .deb: ["/usr/share/doc/\(package.name)/copyright"]
      case .rpm: try run(.rpm, ["--root", root.string, "--query", "--licensefiles", package.name])
      }
    return names.filter { $0.hasPrefix("/") }.map { root.appending(String($0.dropFirst())) }
      .filter { exists($0) && !isDirectory($0) }
  }

  // MARK: Debian

  private func askDpkg(_ names: [String]) throws(Failure) -> SystemPackage? {
    let directory = "--admindir=\(root.appending("var/lib/dpkg").string)"
    // "zlib1g:amd64: /lib/x86_64-linux-gnu/libz.so.1"
    let owners = try run(.dpkgQuery, [directory, "--search", "--"] + names)
    let owner = owners.lazy.compactMap { line -> Substring? in
      guard !line.hasPrefix("diversion by "), let end = line.firstRange(of: ": /") else {
        return nil
      }
      return line[..<end.lowerBound].split(separator: ",").first
    }.first
    guard let owner else { return nil }
    let format = "${Package}\t${Version}\t${Architecture}\n"
    let shown = try run(.dpkgQuery, [directory, "--show", "--showformat", format, String(owner)])
    guard let fields = shown.first?.split(separator: "\t"), fields.count == 3 else { return nil }
    return SystemPackage(
      format: .deb, system: release["ID"] ?? "debian", release: release["VERSION_ID"] ?? "",
      name: String(fields[0]), version: String(fields[1]), architecture: String(fields[2]),
      license: "")
  }

  // MARK: RPM

  private func askRPM(_ names: [String]) throws(Failure) -> SystemPackage? {
    let format = "%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\t%{LICENSE}\n"
    for name in names {
      let lines = try run(
        .rpm, ["--root", root.string, "--query", "--queryformat", format, "--file", name])
      guard let fields = lines.first?.split(separator: "\t"), fields.count == 4 else { continue }
      return SystemPackage(
        format: .rpm, system: release["ID"] ?? "", release: release["VERSION_ID"] ?? "",
        name: String(fields[0]), version: String(fields[1]), architecture: String(fields[2]),
        license: String(fields[3]))
    }
    return nil
  }

  /// The values of os-release(5).
  private static func readRelease(_ root: Path) -> [String: String] {
    for name in ["etc/os-release", "usr/lib/os-release"] {
      guard let bytes = try? readFile(root.appending(name)) else { continue }
      var values: [String: String] = [:]
      for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
        guard let equals = line.firstIndex(of: "=") else { continue }
        let value = line[line.index(after: equals)...].filter { $0 != "\"" && $0 != "'" }
        values[String(line[..<equals])] = String(value)
      }
      return values
    }
    return [:]
  }
}
