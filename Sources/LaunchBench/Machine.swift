import Posix

/// Facts about the machine that affect the figures. Unknown ones are left out.
func machineFacts(directory: Path) -> [BenchReport.Fact] {
  var facts: [BenchReport.Fact] = []
  let processors = ProcessContext.processorCount
  let model = line(of: "/proc/cpuinfo", after: "model name").map { " × \($0)" } ?? ""
  facts.append(BenchReport.Fact("processors", "processors", "\(processors)\(model)"))
  if let text = line(of: "/proc/meminfo", after: "MemTotal"),
    let kilobytes = Double(text.prefix { $0 != " " })
  {
    facts.append(
      BenchReport.Fact("memory", "memory", fixed(kilobytes / 1_048_576, 1) + " GiB"))
  }
  if let kernel = content("/proc/sys/kernel/osrelease") {
    facts.append(BenchReport.Fact("kernel", "kernel", "Linux \(kernel)"))
  }
  if let mounts = content("/proc/self/mountinfo"),
    let type = fileSystem(of: directory.string, in: mounts)
  {
    facts.append(BenchReport.Fact("file_system", "file system of the caches", type))
  }
  return facts
}

/// The average number of processes that were running or waiting for the disk in the last minute: "0.52".
func loadAverage() -> String? {
  content("/proc/loadavg").map { String($0.prefix { $0 != " " }) }
}

/// The type of the file system of an absolute path, from the lines of /proc/self/mountinfo (proc(5)).
func fileSystem(of path: String, in mounts: String) -> String? {
  var best = -1
  var type: String?
  for line in mounts.split(separator: "\n") {
    let fields = line.split(separator: " ")
    guard fields.count > 5, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count
    else { continue }
    let point = String(fields[4])
    let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
    // If several are mounted at one point, the last one hides the others.
    if isAbove && point.utf8.count >= best {
      best = point.utf8.count
      type = String(fields[dash + 1])
    }
  }
  return type
}

/// A file of /proc without final white space. Its size is unknown until it is read.
private func content(_ path: StaticString) -> String? {
  guard let file = try? FileDescriptor.open(Path(path), .read) else { return nil }
  var all: [UInt8] = []
  while let part = try? file.bytes(at: Int64(all.count), count: 1 << 16), !part.isEmpty {
    all += part
  }
  let text = String(decoding: all, as: UTF8.self)
  return String(text.reversed().drop { $0.isWhitespace }.reversed())
}

/// The value of the first line "NAME : VALUE" with this name.
private func line(of path: StaticString, after name: String) -> String? {
  guard let text = content(path) else { return nil }
  guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
    let colon = line.firstIndex(of: ":")
  else { return nil }
  return printable(String(line[line.index(after: colon)...]).trimmingSpaces)
}
