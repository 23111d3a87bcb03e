import PayloadFormat
import Posix
import Reporting

/// The JSON that the page's script reads: columns of values, as that is the smallest form.
struct PageData {
  private(set) var bytes: [UInt8] = []

  init(_ tree: MeasuredTree, _ titles: [String]) {
    let manifest = tree.manifest
    var folders: [Int] = []
    var folderOfEntry = [Int32](repeating: 0, count: manifest.entryCount)
    var files: [Int] = []
    for index in 0..<manifest.entryCount {
      if manifest.entry(index).type == .directory {
        folderOfEntry[index] = Int32(folders.count)
        folders.append(index)
      } else if tree.owner(of: index) != nil {
        files.append(index)
      }
    }
    append("{\"owners\":")
    column(titles) { text($0) }
    append(",\"folders\":{\"name\":")
    column(folders) { name($0, manifest) }
    append(",\"up\":")
    column(folders) { number(UInt64(folderOfEntry[manifest.entry($0).parent])) }
    append("},\"files\":{\"name\":")
    column(files) { name($0, manifest) }
    append(",\"folder\":")
    column(files) { number(UInt64(folderOfEntry[manifest.entry($0).parent])) }
    append(",\"owner\":")
    column(files) { number(UInt64(tree.owner(of: $0) ?? 0)) }
    append(",\"packed\":")
    column(files) { number(tree.packed($0)) }
    append(",\"unpacked\":")
    column(files) { number(manifest.entry($0).size) }
    // A digit for each file: an index of KINDS of the script.
    append(",\"kind\":\"")
    for file in files { bytes.append(UInt8(ascii: "0") + kind(file, manifest)) }
    append("\"}}")
  }

  private func kind(_ index: Int, _ manifest: Manifest) -> UInt8 {
    let entry = manifest.entry(index)
    let path = manifest.path(of: index)
    if FileEndings.isCode(path) { return 1 }
    return FileEndings.isProgram(path, entry.mode) ? 2 : 0
  }

  private mutating func column<Value>(_ values: [Value], _ write: (Value) -> [UInt8]) {
    append("[")
    for (index, value) in values.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      bytes += write(value)
    }
    append("]")
  }

  private mutating func append(_ text: String) { bytes += text.utf8 }
}

private func name(_ index: Int, _ manifest: Manifest) -> [UInt8] {
  text(visibleText([UInt8](manifest.name(of: manifest.entry(index)))))
}

private func text(_ value: String) -> [UInt8] { jsonText(value.utf8).bytes }

private func number(_ value: UInt64) -> [UInt8] { [UInt8](String(value).utf8) }
