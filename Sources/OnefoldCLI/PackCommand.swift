import AppSpec
import PayloadFormat
import PayloadWriter
import Posix

let packCommand = Command(
  name: "pack",
  summary: "make one executable file of an application",
  discussion: """
    Packs an application with its interpreter and its dependencies into one executable file.
    Launched, that file unpacks itself once into a cache and executes the program.

    The application is what a spec describes (--spec), a package of an index (--package), a
    script with inline metadata (SCRIPT), or a directory that holds a program and all it needs
    (--tree).
    """,
  optionalArgument: Argument(
    "SCRIPT", "a Python script with inline metadata (PEP 723), which is packed as 'uv run' runs it",
    .file),
  options: [
    Option(
      name: "--spec", value: "PATH", values: .path,
      help: "the spec, or its directory; default: onefold.toml or pyproject.toml in the working "
        + "directory"),
    Option(
      name: "--package", value: "REQUIREMENT",
      help: "pack a package of an index, such as datasette==0.65.1, without a spec; further ones "
        + "are installed beside the first", repeats: true),
    Option(
      name: "--command", value: "NAME",
      help: "with --package: the command to pack; default: that of the package's name, or its "
        + "only one"),
    Option(
      name: "--python", value: "VERSION", values: .path,
      help: "with --package or SCRIPT: the interpreter, by its version or its path; default: "
        + "python3, if it suits"),
    Option(
      name: "--print-spec",
      help: "with --package or SCRIPT: print the spec that they stand for, and pack nothing"),
    Option(
      name: "--output", short: "-o", value: "FILE", values: .file,
      help: "the file to make; {name}, {version} and {target} are replaced, but not with --tree"),
    Option(name: "--sidecar", help: "append the target triple to the file's name"),
    Option(
      name: "--target", value: "NAME", values: .words(Target.all.map(\.name)),
      help: "what the file runs on, such as aarch64-linux or a target triple; default: the spec's "
        + "output.target, or this machine"),
    Option(
      name: "--against", value: "OLD", values: .file,
      help: "with policy.max-update in the spec: the previous release; default: the file that is "
        + "replaced"),
    Option(name: "--no-smoke", help: "do not run smoke tests"),
    Option(name: "--keep-stage", help: "keep the staged tree, even if packing fails"),
    Option(
      name: "--tree", value: "DIR", values: .directory, help: "pack this directory, without a spec"),
    Option(
      name: "--entry", value: "PATH",
      help: "with --tree: the program to execute, relative to it (required)"),
    Option(
      name: "--name", value: "NAME",
      help: "with --tree: the application's name; default: the entry's name"),
    Option(
      name: "--app-version", value: "TEXT", help: "with --tree: the application's version"),
    Option(
      name: "--env", value: "NAME=VALUE",
      help: "without a spec: set an environment variable; {root} and {exe} are replaced in VALUE",
      repeats: true),
    Option(
      name: "--unset-env", value: "NAME", help: "without a spec: remove an environment variable",
      repeats: true),
    Option(
      name: "--check", value: "POLICY",
      values: .words(CheckPolicy.allCases.map { "\($0.name)" }),
      help: "without a spec: what each launch checks of the unpacked tree: seal, dirs (default), "
        + "files or full"),
    Option(
      name: "--keep", value: "DAYS",
      help: "without a spec: keep unused trees for so many days, 0 to "
        + "\(LaunchRecord.longestKeep) (default 30)"),
    Option(
      name: "--die-with-parent", value: "SIGNAL",
      values: .words(ParentDeath.allCases.map { "\($0.name)" }),
      help: "without a spec: kill or term: the program gets this signal when the process that "
        + "launched it ends"),
    Option(
      name: "--no-reuse", help: "without a spec: share no files with the trees of older versions"),
    Option(
      name: "--listen", value: "ADDRESS",
      help: "with --tree: open this address for the program before it is unpacked: PORT, "
        + "ADDRESS:PORT or unix:/PATH"),
    Option(
      name: "--handover", value: "HOW", values: .words(Handover.allCases.map { "\($0.name)" }),
      help: "with --listen: give the program the socket as a descriptor (default), or the number "
        + "of a port"),
    Option(
      name: "--if-taken", value: "WHAT", values: .words(TakenAddress.allCases.map { "\($0.name)" }),
      help: "with --listen: fail (default), or take a free port"),
    Option(
      name: "--instance", value: "POLICY",
      values: .words(InstancePolicy.allCases.map { "\($0.name)" }),
      help: "with --tree: if the program runs already, a launch ends (single), or stops the other "
        + "(replace)"),
    Option(
      name: "--max-glibc", value: "VERSION",
      help: "without a spec: fail if a file needs a newer glibc, such as 2.31"),
    Option(
      name: "--codec", value: "NAME", values: .words(["zstd", "xz", "store"]),
      help: "zstd (default), xz or store"),
    Option(
      name: "--level", value: "N",
      help: "compression level: zstd 1 to 22 (default "
        + "\(Compression.defaultLevel(of: .zstd))), xz 0 to 9 (default "
        + "\(Compression.defaultLevel(of: .xz)))"),
    Option(
      name: "--frame-size", value: "KIB",
      help: "size of the units that are decoded in parallel, 64 to 16384 KiB (default "
        + "\(Compression.defaultFrameSize >> 10))"),
    Option(name: "--jobs", short: "-j", value: "N", help: "threads; default: one per CPU"),
  ] + inventoryOptions + cacheOptions + [
    Option(
      name: "--bootloader", value: "FILE", values: .file,
      help: "the bootloader; default: ONEFOLD_BOOTLOADER, or the one installed with onefold"),
    Option(name: "--json", help: "print the summary as JSON on stdout"),
  ],
  rest: Argument(
    "ARGS...",
    "without a spec: arguments for the program, before those of its user; {root} and {exe} are "
      + "replaced", .file))

func runPack(_ arguments: Arguments) throws(Failure) {
  if arguments.has("--json") { try requireStandardOutput() }
  let ways = ["--spec", "--tree", "--package"].filter(arguments.has).map { "option '\($0)'" }
  let script = arguments.positional.first.map { "the script \($0.quoted)" }
  let given = ways + [script].compactMap(\.self)
  if given.count > 1 {
    throw .usage("\(given[0]) does not go with \(given[1]): each names what is packed")
  }
  if arguments.has("--tree") {
    try packGivenTree(arguments)
  } else if arguments.has("--package") || script != nil {
    try packWithoutSpec(arguments)
  } else {
    try packSpec(arguments)
  }
}

/// Refuses options that do not apply to the chosen way of packing.
func refuse(_ options: [String], in arguments: Arguments, _ why: String) throws(Failure) {
  for option in options where arguments.has(option) {
    throw .usage("option '\(option)' \(why)")
  }
}
