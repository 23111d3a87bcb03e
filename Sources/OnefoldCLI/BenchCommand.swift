import LaunchBench
import OutputFiles
import Posix
import Reporting

let benchCommand = Command(
  name: "bench",
  summary: "measure how onefiles launch",
  discussion: """
    Measures cold and warm launches of onefiles and the phases of each launch, and
    compares them with the unpacked entry and with other programs. The programs take turns
    in rounds. Arguments after '--' go to all of them. docs/bench.md describes the
    measurements.
    """,
  arguments: [Argument("FILE...", "files made by onefold pack", .file)],
  options: [
    Option(
      name: "--against", value: "COMMAND", values: .file,
      help: "also measure this program, with its arguments; may be repeated",
      repeats: true),
    Option(
      name: "--cache-variable", value: "NAME",
      help: "with --against: set this variable to an empty directory for cold launches; may be "
        + "repeated", repeats: true),
    Option(
      name: "--reset", value: "COMMAND",
      help: "with --against: a shell command that makes the next launch a cold one"),
    Option(
      name: "--env", value: "NAME=VALUE",
      help: "set an environment variable for all programs; may be repeated", repeats: true),
    Option(name: "--runs", value: "N", help: "rounds, 1 to 1000 (default 15)"),
    Option(
      name: "--warm-up", value: "N",
      help: "warm-up rounds, which do not count, 0 to 100 (default 1)"
    ),
    Option(
      name: "--http", value: "PATH",
      help: "measure servers until they answer GET PATH, and end them with SIGTERM"),
    Option(
      name: "--port", value: "N",
      help: "with --http: the servers' port; default: a free one, which replaces {port} in ARGS "
        + "and --env"),
    Option(
      name: "--timeout", value: "SECONDS", help: "the limit of each launch, 1 to 3600 (default 60)"),
    Option(
      name: "--status", value: "N",
      help: "the exit status of the programs, 0 to 255 (default 0); not with --http"),
    Option(
      name: "--page-cache", value: "STATE", values: .words(["warm", "drop"]),
      help: "warm (default), or drop: cold launches read files from the disk"),
    Option(
      name: "--directory", value: "DIR", values: .directory,
      help: "make the caches in this directory; default: TMPDIR, or /var/tmp"),
    Option(
      name: "--count-calls", help: "also count system calls, in launches that are not timed"),
    Option(name: "--json", help: "print JSON"),
    Option(name: "--csv", help: "print comma-separated values"),
    Option(name: "--markdown", help: "print tables of Markdown"),
    Option(
      name: "--html", value: "FILE", values: .file, help: "also write a page with charts"),
    Option(
      name: "--fail-over", value: "LIMIT",
      help: "fail if a median exceeds a limit, as in 'warm-overhead>2ms'; may be repeated",
      repeats: true),
    Option(
      name: "--baseline", value: "FILE", values: .file,
      help: "fail if a median exceeds that of an earlier --json by more than the tolerance"),
    Option(
      name: "--tolerance", value: "PERCENT",
      help: "with --baseline: 0 to 1000 percent (default 10)"),
  ],
  rest: Argument("ARGS...", "arguments for all programs", .file),
  repeatsLastArgument: true)

func runBench(_ arguments: Arguments) throws(Failure) {
  let settings = try benchSettings(arguments)
  let format = try outputFormat(arguments)
  let limits = try limits(arguments)
  let tolerance = try arguments.number("--tolerance", in: 0...1000)
  if tolerance != nil, !arguments.has("--baseline") {
    throw .usage("option '--tolerance' goes with '--baseline' only")
  }
  // Check stdout before hours of measuring.
  try requireStandardOutput()
  let baseline = try arguments.value("--baseline").map(readBaseline)
  let page = try arguments.value("--html").map { (path) throws(Failure) in
    try OutputFile(try OutputPlace(path), mode: 0o666)
  }
  TerminationSignals.hold()
  let progress = newProgress()
  let report: BenchReport
  do {
    defer { progress?.finish() }
    report = try measure(settings) { progress?.show(Text(utf8: [UInt8]($0.utf8))) }
  }
  let now = WallClock.seconds(since: FileTime(seconds: 0, nanoseconds: 0))
  if let page {
    let text = report.html(heading: "onefold bench \(version), \(utcText(now))")
    try page.write([UInt8](text.utf8))
    try page.publish()
  }
  switch format {
  case "--json": try writeData(json(report, seconds: now).encoded)
  case "--csv": try writeData(report.csv)
  case "--markdown": try writeData(report.markdown)
  default: try writeData(report.text(bars: ProcessContext.isTerminal(1)))
  }
  try judge(report, limits, baseline, tolerance: Double(tolerance ?? 10) / 100)
}

// MARK: Limits

private func limits(_ arguments: Arguments) throws(Failure) -> [Limit] {
  var limits: [Limit] = []
  for value in arguments.all("--fail-over") {
    do throws(Limit.Invalid) { limits.append(try Limit(value.string)) } catch {
      throw .usage("option '--fail-over' does not understand \(value.quoted): \(error.message)")
    }
  }
  return limits
}

private func readBaseline(_ path: Path) throws(Failure) -> Baseline {
  let file = try FileDescriptor.open(path, .read)
  let bytes = try file.bytes(at: 0, count: Int(try file.status().size))
  guard let baseline = Baseline(parsing: bytes) else {
    throw .failed("\(path.quoted) is not a report of 'onefold bench --json'")
  }
  return baseline
}

/// Fails with one line for each limit that is exceeded.
private func judge(
  _ report: BenchReport, _ limits: [Limit], _ baseline: Baseline?, tolerance: Double
) throws(Failure) {
  var problems = limits.flatMap { $0.problems(in: report) }
  if let baseline {
    for line in baseline.differences(from: report) {
      writeWarning("onefold bench", "the baseline is of another machine: \(line)")
    }
    problems += baseline.problems(in: report, tolerance: tolerance)
  }
  guard !problems.isEmpty else { return }
  throw .failed(problems.joined(separator: "\nonefold bench: "))
}

// MARK: Options

private func benchSettings(_ arguments: Arguments) throws(Failure) -> BenchSettings {
  var settings = BenchSettings(onefiles: arguments.positional)
  for value in arguments.all("--against") {
    guard let command = words(of: value) else {
      throw .usage("option '--against' needs a command, not \(value.quoted)")
    }
    settings.commands.append(command)
  }
  if settings.commands.isEmpty {
    try refuse(["--cache-variable", "--reset"], in: arguments, "goes with '--against' only")
  }
  for value in arguments.all("--cache-variable") {
    guard !value.isEmpty, !value.bytes.contains(UInt8(ascii: "=")) else {
      throw .usage("option '--cache-variable' needs the name of a variable, not \(value.quoted)")
    }
    settings.cacheVariables.append(value)
  }
  for value in arguments.all("--env") {
    guard let equals = value.bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0 else {
      throw .usage("option '--env' needs NAME=VALUE, not \(value.quoted)")
    }
    settings.variables.append(value)
  }
  settings.reset = arguments.value("--reset")
  settings.arguments = arguments.rest
  settings.directory = arguments.value("--directory")
  settings.countsCalls = arguments.has("--count-calls")
  settings.rounds = try arguments.number("--runs", in: 1...1000) ?? settings.rounds
  settings.warmUp = try arguments.number("--warm-up", in: 0...100) ?? settings.warmUp
  settings.timeout = try arguments.number("--timeout", in: 1...3600) ?? settings.timeout
  settings.port = try arguments.number("--port", in: 1...65_535)
  settings.status = Int32(try arguments.number("--status", in: 0...255) ?? 0)
  settings.dropsPageCache = try arguments.word("--page-cache") == "drop"
  try setHTTP(&settings, arguments)
  return settings
}

private func setHTTP(_ settings: inout BenchSettings, _ arguments: Arguments) throws(Failure) {
  guard let path = arguments.value("--http") else {
    return try refuse(["--port"], in: arguments, "goes with '--http' only")
  }
  try refuse(["--status"], in: arguments, "does not go with '--http'")
  // The path becomes a part of the request's first line.
  guard path.bytes.first == UInt8(ascii: "/"),
    path.bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
  else { throw .usage("option '--http' needs a path such as /health, not \(path.quoted)") }
  settings.http = path.string
  let wanted = Array(BenchSettings.portPlaceholder.utf8)
  let places = settings.arguments + settings.variables + settings.commands.flatMap { $0 }
  guard settings.port != nil || places.contains(where: { $0.bytes.contains(wanted) }) else {
    throw .usage(
      "option '--http' needs '--port', or '{port}' in the arguments or in '--env', for example "
        + "--env 'PORT={port}'")
  }
}

private func outputFormat(_ arguments: Arguments) throws(Failure) -> String? {
  let given = ["--json", "--csv", "--markdown"].filter { arguments.has($0) }
  guard given.count < 2 else {
    throw .usage("options '\(given[0])' and '\(given[1])' exclude each other")
  }
  return given.first
}

/// "2026-11-20 12:34 UTC", of seconds since 1970.
func utcText(_ seconds: Int64) -> String {
  // Days of the Gregorian calendar since 1 March of the year 0, in eras of 400 years.
  let days = seconds / 86_400 + 719_468
  let era = days / 146_097
  let day = days % 146_097
  let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
  let dayOfYear = day - (365 * year + year / 4 - year / 100)
  let month = (5 * dayOfYear + 2) / 153
  let date = dayOfYear - (153 * month + 2) / 5 + 1
  let number = month < 10 ? month + 3 : month - 9
  func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
  return "\(era * 400 + year + (number <= 2 ? 1 : 0))-\(two(number))-\(two(date)) "
    + "\(two(seconds / 3600 % 24)):\(two(seconds / 60 % 60)) UTC"
}
