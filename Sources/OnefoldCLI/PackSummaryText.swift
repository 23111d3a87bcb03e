import PayloadFormat
import PayloadWriter
import Posix
import Reporting

/// The summary as text.
func packText(_ output: Path, _ summary: PackSummary, _ milliseconds: UInt64) -> String {
  let share = summary.bytesIn == 0 ? 0 : summary.bytesOut * 1000 / summary.bytesIn
  return """
    packed \(output.quoted)
      \(counted(summary.files, "file")), \
    \(counted(summary.directories, "directory", plural: "directories")), \
    \(counted(summary.symlinks, "symlink")), \(counted(summary.hardLinks, "hard link"))
      \(counted(summary.frames, "frame")), \(grouped(UInt64(summary.framesFromCache))) \
    of them from the cache
      \(counted(summary.bytesIn, "byte")) in, \(counted(summary.bytesOut, "byte")) out \
    (\(percent(share))), in \(milliseconds / 1000).\(milliseconds / 100 % 10) s
      tree id \(hexText(summary.treeID.bytes))

    """
}

/// The summary as members of a JSON object.
func packMembers(
  output: Path, name: [UInt8], version: [UInt8], compression: Compression, summary: PackSummary,
  milliseconds: UInt64
) -> [(String, JSON)] {
  let ratio = summary.bytesIn == 0 ? 0 : summary.bytesOut * 1000 / summary.bytesIn
  return JSON.members(path: [UInt8](output.bytes), name: "output") + [
    ("name", .text(name)),
    ("version", .text(version)),
    ("tree_id", .string(hexText(summary.treeID.bytes).string)),
    ("files", .number(UInt64(summary.files))),
    ("directories", .number(UInt64(summary.directories))),
    ("symlinks", .number(UInt64(summary.symlinks))),
    ("hard_links", .number(UInt64(summary.hardLinks))),
    ("contents", .number(UInt64(summary.contents))),
    ("frames", .number(UInt64(summary.frames))),
    ("frames_from_cache", .number(UInt64(summary.framesFromCache))),
    ("frames_from_remote_cache", .number(UInt64(summary.framesFromRemote))),
    ("bytes_in", .number(summary.bytesIn)),
    ("bytes_out", .number(summary.bytesOut)),
    ("ratio", .thousandths(ratio)),
    ("codec", .string(compression.codec.name.description)),
    ("level", .number(UInt64(compression.level))),
    ("frame_size", .number(UInt64(compression.frameSize))),
    ("seconds", .thousandths(milliseconds)),
  ]
}
