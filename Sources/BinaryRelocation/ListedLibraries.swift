public import AppSpec
import BuildTools
public import Posix
import Processes

/// A library that no file needs, but that code opens by name.
public struct ListedLibrary: Sendable {
  /// The library's name, or an absolute path.
  public var path: Path
  /// The line that lists it, for messages.
  public var place: SpecPlace
  /// The key or option that lists it, for messages.
  public var option: String

  public init(_ path: Path, _ place: SpecPlace, option: String) {
    self.path = path
    self.place = place
    self.option = option
  }

  var name: String { String(decoding: path.lastComponent, as: UTF8.self) }

  private var quotedName: String { Path(name).quoted.string }

  private func failure(_ message: String) -> Failure {
    .failed(place, "'\(option)': \(message)")
  }

  var belongsToGlibc: Failure {
    failure("\(quotedName) belongs to glibc, which is the target system's: remove it")
  }

  /// The failure if neither the tree nor the build machine has the library.
  func missing(_ target: Target, systemRoot: Path?) throws(Failure) -> Failure {
    if path.bytes.contains(UInt8(ascii: "/")) {
      return failure(
        "\(path.quoted.string) is not a shared library for \(target.name): name another file")
    }
    if target != .native {
      let place = systemRoot.map { "in \($0.quoted.string)" } ?? "beside the interpreter"
      return failure(
        "there is no library \(quotedName) \(place): install it there, or give its path")
    }
    let package = try debianPackage().map { "apt-get install \($0)" } ?? "install its package"
    return failure(
      "there is no library \(quotedName) on this machine: \(package), or give the library's path")
  }

  /// The package with this library by Debian's naming rules, if the machine's package lists have it.
  private func debianPackage() throws(Failure) -> String? {
    guard let range = name.firstRange(of: ".so."), name.hasPrefix("lib") else { return nil }
    let stem = name[..<range.lowerBound]
    let number = name[range.upperBound...].prefix { $0 != "." }
    let dash = stem.last?.isNumber == true ? "-" : ""
    let package = (stem + dash + number).lowercased().replacing("_", with: "-")
    let result: Subprocess.Result
    do throws(Failure) {
      result = try runProgram(
        HostProgram.aptCache.path, [Path("pkgnames"), Path(package)], timeout: 30)
    } catch {
      if error.kind == .interrupted { throw error }
      return nil
    }
    guard result.succeeded else { return nil }
    let known = Set(
      result.output.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    )
    // Packages with 64-bit times instead of 32-bit ones have the suffix "t64".
    return [package, package + "t64"].first { known.contains($0) }
  }
}

extension LibraryResolver {
  /// Copies the listed libraries to `lib`, where code that opens them by name finds them.
  mutating func copyListed() throws(Failure) {
    for listed in request.libraries {
      if isSystemLibrary(listed.name) { throw listed.belongsToGlibc }
      if binary(at: "lib", listed.name) != nil { continue }
      guard let library = try machine.find(listed: listed.path) else {
        throw try listed.missing(request.target, systemRoot: request.systemRoot)
      }
      _ = try copy(library, as: listed.name)
    }
  }
}

extension MachineLibraries {
  /// The library that a listed name or path means.
  func find(listed path: Path) throws(Failure) -> MachineLibrary? {
    path.bytes.contains(UInt8(ascii: "/"))
      ? try read(path) : try find(path.string, for: nil)
  }

  /// A text that changes with the listed libraries: their paths, sizes and times.
  ///
  /// - Throws: a system call's failure.
  public func identity(_ libraries: [ListedLibrary]) throws(Failure) -> String {
    var text = ""
    for library in libraries {
      guard let found = try find(listed: library.path) else { continue }
      let status = try DirectoryHandle.current.status(of: found.path, follow: true)
      text += "\(library.path.string) \(found.path.string) \(status.size) "
      text += "\(status.modified.seconds) \(status.modified.nanoseconds)\n"
    }
    return text
  }
}
