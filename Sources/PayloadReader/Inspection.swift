public import PayloadFormat
public import Posix

/// What a person wants to know of a onefile, as lines of a label and a value.
public func inspectionLines(_ payload: Payload, _ manifest: Manifest) -> [(
  label: StaticString, value: Text
)] {
  let record = payload.record
  var lines: [(label: StaticString, value: Text)] = []
  lines.append(("name", escapedText(record.name)))
  if !record.version.isEmpty { lines.append(("version", escapedText(record.version))) }
  lines.append(("target", escapedText(record.target)))
  if let glibc = record.glibc {
    let version = Text(utf8: glibc.version.text)
    lines.append(("glibc", "\(version) or newer, for \(escapedText(glibc.file))"))
  }
  lines.append(("entry", escapedText(record.entry)))
  for argument in record.arguments { lines.append(("argument", escapedText(argument))) }
  for name in record.removedVariables { lines.append(("unset", escapedText(name))) }
  for variable in record.variables { lines.append(("environment", escapedText(variable))) }
  if let check = record.check { lines.append(("check", "\(check.name)")) }
  if let days = record.keepDays { lines.append(("keep", days == 1 ? "1 day" : "\(days) days")) }
  if let death = record.parentDeath {
    lines.append(("parent", "the program ends with it, by \(signalName(death))"))
  }
  lines.append(("tree id", hexText(payload.treeID.bytes)))
  if !record.packer.isEmpty { lines.append(("packed by", escapedText(record.packer))) }
  lines.append(("bootloader", "\(grouped(payload.trailer.bootloaderLength)) bytes"))
  lines.append(
    (
      "frames",
      "\(grouped(UInt64(manifest.frameCount))), \(grouped(manifest.framesLength)) bytes (\(codecs(manifest)))"
    ))
  lines.append(
    (
      "tree",
      "\(grouped(manifest.contentLength)) bytes in \(grouped(UInt64(manifest.fileCount))) files, "
        + "\(grouped(UInt64(manifest.directoryCount))) directories, "
        + "\(grouped(UInt64(manifest.symlinkCount))) symlinks, "
        + "\(grouped(UInt64(manifest.hardLinkCount))) hard links"
    ))
  if payload.appendedLength > 0 {
    lines.append(("appended", "\(grouped(payload.appendedLength)) bytes after the trailer"))
  }
  return lines
}

/// `inspectionLines` as text, values aligned.
public func inspectionText(_ payload: Payload, _ manifest: Manifest) -> Text {
  var text: Text = ""
  for (label, value) in inspectionLines(payload, manifest) {
    var line = Text(stringLiteral: label)
    line.pad(to: 12)
    text += "\(line)\(value)\n"
  }
  return text
}

private func signalName(_ death: ParentDeath) -> StaticString {
  switch death {
  case .kill: "SIGKILL"
  case .term: "SIGTERM"
  }
}

/// An entry of the tree as a line: "755       123456 path", symlinks and hard links with what they point to.
public func entryLine(_ manifest: Manifest, _ index: Int) -> Text {
  let entry = manifest.entry(index)
  var mode = Text(utf8: [])
  for shift in [9, 6, 3, 0] where shift == 0 || entry.mode >> UInt16(shift) > 0 {
    mode.append(number: UInt64(entry.mode >> UInt16(shift) & 7))
  }
  var text: Text = "\(mode.right(in: 4)) \(grouped(entry.size).right(in: 15)) "
  text += index == 0 ? "." : escapedText(manifest.path(of: index))
  switch entry.type {
  case .directory: text += "/"
  case .file: break
  case .symlink: text += " -> \(escapedText(manifest.target(of: entry)))"
  case .hardLink: text += " = \(escapedText(manifest.path(of: entry.hardLinkTarget)))"
  }
  return text + "\n"
}

private func codecs(_ manifest: Manifest) -> Text {
  var counts = [0, 0, 0]
  for index in 0..<manifest.frameCount { counts[Int(manifest.frame(index).codec.rawValue)] += 1 }
  var text: Text = ""
  for codec in Codec.allCases where counts[Int(codec.rawValue)] > 0 {
    if !text.isEmpty { text += ", " }
    text += "\(counts[Int(codec.rawValue)]) \(codec.name)"
  }
  return text.isEmpty ? "none" : text
}
