import AppSpec
import BinaryRelocation
import BuildTools
import Posix

/// Refuses a tree if a distribution is for another CPU architecture. Returns the foreign files that are accepted.
///
/// Some distributions carry programs for several architectures, such as debuggers. Code for graphics processors has the
/// same format. A foreign file is accepted if its distribution also has a binary for this architecture, or if no Linux
/// system runs on its processor.
func listForeign(_ tree: TreeRelocation, _ request: RelocationRequest) throws(Failure) -> [Path] {
  var foreign: [Path] = []
  let served = Set(tree.binaries.map(\.role.package))
  for binary in tree.others {
    guard let processor = binary.elf.processorName else { continue }
    let package = binary.role.package
    if !package.isEmpty, served.contains(package), !binary.isExtensionModule {
      foreign.append(binary.path)
      continue
    }
    let own = request.target.processor
    let what = "\(binary.path.quoted) is for \(processor) and can't run on \(own)"
    guard let distribution = distribution(of: binary.path, in: request.root) else {
      throw .failed(nil, "\(what): take an interpreter that is built for \(own)")
    }
    throw .failed(
      nil,
      "\(what): it belongs to the distribution \(distribution), of which a wheel for \(own) is needed"
    )
  }
  return foreign
}

extension Binary {
  /// Whether the name is one that Python imports on one platform only: "x.cpython-311-x86_64-linux-gnu.so" or
  /// "x.abi3.so".
  fileprivate var isExtensionModule: Bool {
    let parts = String(decoding: path.lastComponent, as: UTF8.self).split(separator: ".")
    guard parts.count >= 3, parts.last == "so" else { return false }
    return parts[parts.count - 2] == "abi3" || parts[parts.count - 2].hasPrefix("cpython-")
  }
}

/// The distribution whose `RECORD` lists the file, such as "numpy 1.26.4", or the file's top-level name if none does.
///
/// Nil for the interpreter's own files.
func distribution(of path: Path, in root: Path) -> String? {
  var parts = path.string.split(separator: "/")
  guard let packages = parts.lastIndex(where: isPackageDirectory) else { return nil }
  let directory = root.appending(parts[...packages].joined(separator: "/"))
  parts.removeFirst(packages + 1)
  let name = parts.joined(separator: "/")
  for entry in (try? DirectoryHandle.current.names(in: directory)) ?? [] {
    let info = String(decoding: entry, as: UTF8.self)
    guard info.hasSuffix(".dist-info"),
      let record = try? readFile(directory.appending(info).appending("RECORD"))
    else { continue }
    if recordedPaths(record).contains(where: { $0.elementsEqual(name.utf8) }) {
      return info.dropLast(".dist-info".count).split(separator: "-").joined(separator: " ")
    }
  }
  return parts.first.map(String.init)
}
