public import PayloadFormat
public import Posix
import Reporting

/// Describes a onefile for a person: lines of a label and a value, with aligned values.
public func inspectionText(_ payload: Payload, _ manifest: Manifest) -> Text {
  let record = payload.record
  var text: Text = ""
  text.append(line: "name", escapedText(record.name))
  if !record.version.isEmpty { text.append(line: "version", escapedText(record.version)) }
  text.append(line: "target", escapedText(record.target))
  if let glibc = record.glibc {
    let version = Text(utf8: glibc.version.text)
    text.append(line: "glibc", "\(version) or newer, for \(escapedText(glibc.file))")
  }
  text.append(line: "entry", escapedText(record.entry))
  for argument in record.arguments { text.append(line: "argument", escapedText(argument)) }
  for name in record.removedVariables { text.append(line: "unset", escapedText(name)) }
  for variable in record.variables { text.append(line: "environment", escapedText(variable)) }
  if let check = record.check { text.append(line: "check", Text(stringLiteral: check.name)) }
  if let days = record.keepDays {
    text.append(line: "keep", counted(UInt64(days), "day"))
  }
  if let death = record.parentDeath {
    text.append(line: "parent", "the program ends with it, by \(signalName(death))")
  }
  if !record.reuse { text.append(line: "reuse", "no files of older trees") }
  if !record.listen.isEmpty {
    text.append(
      line: "listen",
      "\(escapedText(record.listen)), handover \(record.handover.name), if taken \(record.takenAddress.name)"
    )
  }
  if let instance = record.instance {
    text.append(line: "instance", "\(instance.name) \(escapedText(record.instanceKey))")
  }
  for command in record.commands { text.append(line: "command", escapedText(command.name)) }
  text.append(line: "tree id", hexText(payload.treeID.bytes))
  if !record.packer.isEmpty { text.append(line: "packed by", escapedText(record.packer)) }
  text.append(line: "bootloader", counted(payload.trailer.bootloaderLength, "byte"))
  var frames = grouped(UInt64(manifest.frameCount))
  frames += ", \(counted(manifest.framesLength, "byte")) (\(codecs(manifest)))"
  text.append(line: "frames", frames)
  text.append(
    line: "tree", "\(counted(manifest.contentLength, "byte")) in \(entryCounts(manifest))")
  if payload.appendedLength > 0 {
    text.append(line: "appended", "\(counted(payload.appendedLength, "byte")) after the trailer")
  }
  return text
}

/// The entries of a tree by type: "2 files, 1 directory, 0 symlinks, 0 hard links".
@inline(never)
private func entryCounts(_ manifest: Manifest) -> Text {
  var text = counted(manifest.fileCount, "file")
  text += ", \(counted(manifest.directoryCount, "directory", plural: "directories"))"
  text += ", \(counted(manifest.symlinkCount, "symlink"))"
  text += ", \(counted(manifest.hardLinkCount, "hard link"))"
  return text
}

/// The files of a tree and the bytes in them: "2 files, 1,234 bytes".
@inline(never)
public func sizeText(_ manifest: Manifest) -> Text {
  "\(counted(manifest.fileCount, "file")), \(counted(manifest.contentLength, "byte"))"
}

extension Text {
  @inline(never)
  fileprivate mutating func append(line label: StaticString, _ value: Text) {
    var line = Text(stringLiteral: label)
    line.pad(to: 12)
    append(line)
    append(value)
    append(literal: "\n")
  }
}

private func signalName(_ death: ParentDeath) -> StaticString {
  switch death {
  case .kill: "SIGKILL"
  case .term: "SIGTERM"
  }
}

/// An entry of the tree as a line: "755       123456 path". Symlinks and hard links also show their target.
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
