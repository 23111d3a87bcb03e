import AppSpec
import BuildTools
import PayloadFormat
import Posix
import Processes
import Reporting

// Imports the packed tree's modules with its own interpreter.

extension SmokeTest {
  // MARK: Distributions

  /// Imports the modules of all distributions, and returns their number.
  ///
  /// If a module needs another that no distribution of the tree has, it gets a warning: its author left that dependency
  /// optional without declaring it. It would be missing in a virtual environment as well.
  func importModules(_ progress: (String) -> Void) throws(Failure)
    -> (count: Int, warnings: [String])
  {
    let skipped = Set(smoke.skipImports.map(\.value))
    var modules: [(name: String, distribution: Distribution)] = []
    for distribution in request.staged.distributions {
      for module in distribution.modules where !skipped.contains(module) {
        modules.append((module, distribution))
      }
    }
    guard !modules.isEmpty else { return (0, []) }
    progress("smoke test: importing \(counted(modules.count, "module"))")
    let imported = try importTogether(skipped)
    var failures: [String] = []
    var warnings: [String] = []
    for (name, distribution) in modules where !imported.contains(name) {
      // A module fails only if a new process cannot import it either.
      guard let problem = try importAlone(name) else { continue }
      let what = "\(name) (\(distribution.name) \(distribution.version))"
      if let lacking = problem.lacking, isOptional(lacking, of: distribution) {
        warnings.append(
          "\(what) can't be imported: it needs a module \(quotedText(lacking.utf8)), which no distribution of the file has or "
            + "requires; add the distribution that has it, if the application uses this")
        continue
      }
      failures.append("  \(what): \(problem.text)")
    }
    guard failures.isEmpty else {
      throw .failed(
        smoke.skipImports.first?.place ?? request.spec.dependencies.requirements.first?.place
          ?? request.spec.dependencies.project?.place ?? request.spec.place,
        "\(failures.count) of \(counted(modules.count, "module")) can't be imported from the packed file: add what they "
          + "need, exclude their distribution, or name them in smoke.skip-imports\n"
          + failures.joined(separator: "\n"))
    }
    return (modules.count - warnings.count, warnings)
  }

  /// Whether a missing module is an undeclared optional dependency.
  ///
  /// An excluded distribution is missing because of the spec. A module that a local project lacks was forgotten.
  private func isOptional(_ name: String, of distribution: Distribution) -> Bool {
    !distribution.isLocal && request.spec.dependencies.exclude.isEmpty
      && !request.staged.distributions.contains { other in
        other.modules.contains { $0 == name || $0.hasPrefix("\(name).") }
      }
  }

  /// Imports all modules together, in forked processes. Returns those that succeeded.
  private func importTogether(_ skipped: Set<String>) throws(Failure) -> Set<String> {
    let plan = ProcessContext.absolutePath(request.scratch).appending("imports")
    var text = ""
    var count = 1
    for distribution in request.staged.distributions {
      text += "distribution \(distribution.name) \(distribution.files.count)\n"
      for name in Set(distribution.requires).sorted() { text += "requires \(name)\n" }
      for module in distribution.modules where !skipped.contains(module) {
        text += "module \(module)\n"
        count += 1
      }
    }
    try writeFile(plan, text)
    let result = try runStaged(
      Helper.importGroups, ["\(smoke.timeout)", plan.string], timeout: smoke.timeout * count)
    let facts = Facts(result.output)
    for value in facts.all("library") {
      let user = value.prefix { $0 != " " }
      watch.note(library: String(value.dropFirst(user.count + 1)), of: String(user))
    }
    return Set(facts.all("ok"))
  }

  /// Imports a module in a separate process. Returns nil if that succeeds.
  ///
  /// Otherwise returns the error, and the missing top-level module if that is the cause.
  private func importAlone(_ name: String) throws(Failure)
    -> (text: String, lacking: String?)?
  {
    let result = try runStaged(
      Helper.imports, ["\(smoke.timeout)", name], timeout: smoke.timeout * 2)
    let lines = texts(result.output)
    guard !lines.isEmpty else {
      throw .failed(
        nil,
        "the packed interpreter does not start: it \(endText(result))\n\(lastLines(result.errors))")
    }
    guard let verdict = lines.dropFirst().first, verdict.hasPrefix("lacks ") else {
      return problem(in: lines.dropFirst(), result).map { ($0, nil) }
    }
    let words = verdict.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    return (String(words[2]), String(words[1]))
  }

  /// The problem with an import, from the helper's output after it began; nil for "ok".
  private func problem(in verdict: ArraySlice<String>, _ result: Subprocess.Result) -> String? {
    guard let first = verdict.first else {
      let said = result.errors.isEmpty ? "" : "\n" + lastLines(result.errors, count: 8)
      return "the interpreter \(endText(result))\(said)"
    }
    if first.hasPrefix("Timeout ") {
      // faulthandler wrote the stack, innermost frame first, and ended the process.
      let stack = verdict.dropFirst(2).prefix(8).map { "\n  " + readable($0.utf8) }
      return "it takes longer than \(smoke.timeout) s (smoke.timeout)" + stack.joined()
    }
    return first.hasPrefix("failed ") ? String(first.dropFirst("failed ".count)) : nil
  }

  // MARK: The application

  /// Imports the code of the program and of the commands, as far as that runs none of it yet. Returns false if there
  /// was nothing to import for the program.
  func importApplication(_ progress: (String) -> Void) throws(Failure) -> Bool {
    guard request.staged.interpreter != nil else { return false }
    let programs = Application.programs(of: request.spec)
    let hasImported = try importProgram(programs[0].program, programs[0].module, progress)
    for (program, module) in programs.dropFirst() {
      _ = try importProgram(program, module, progress)
    }
    return hasImported
  }

  /// `main` is the module that was written for a function.
  private func importProgram(
    _ program: Located<Spec.Launch.Program>, _ main: String, _ progress: (String) -> Void
  ) throws(Failure) -> Bool {
    switch program.value {
    case .executable: return false
    case .function(let module, let name):
      progress("smoke test: importing \(module):\(name)")
      guard let problem = try importAlone(main) else { return true }
      throw .failed(
        program.place,
        "the function '\(module):\(name)' that is launched can't be imported from the packed file: \(problem.text)"
      )
    case .script(let path):
      let source = ProcessContext.absolutePath(request.spec.resolve(path))
      return try importWhatIsImported(
        by: "the script \(path.quoted)", at: program.place,
        ["script", "\(smoke.timeout)", source.string], progress)
    case .module(let name):
      // A package of an index is not part of the application. It is imported with the other distributions.
      let top = String(name.prefix { $0 != "." })
      let isOfOthers = request.staged.distributions.contains { distribution in
        !distribution.isLocal
          && distribution.modules.contains { $0 == top || $0.hasPrefix("\(top).") }
      }
      guard !isOfOthers else { return false }
      return try importWhatIsImported(
        by: "the module '\(name)'", at: program.place, ["module", "\(smoke.timeout)", name],
        progress)
    }
  }

  /// Imports the modules that a launched source imports. Returns false if none of its imports can be tried.
  private func importWhatIsImported(
    by program: String, at place: SpecPlace, _ arguments: [String],
    _ progress: (String) -> Void
  ) throws(Failure) -> Bool {
    guard smoke.imports else { return false }
    progress("smoke test: importing what \(program) imports")
    let result = try runStaged(
      Helper.launched, arguments + smoke.skipImports.map(\.value), timeout: smoke.timeout * 10)
    let facts = Facts(result.output)
    var problems = facts.all("failed").map { value in
      let line = value.prefix { $0 != " " }
      return "line \(line): \(readable(value.dropFirst(line.count + 1).utf8))"
    }
    let isFinished = facts["imports"] != nil || (result.succeeded && facts["trying"] == nil)
    if problems.isEmpty, !isFinished, let line = facts.all("trying").last {
      let rest = texts(result.output).drop { $0 != "trying \(line)" }.dropFirst()
      problems = ["line \(line): \(problem(in: rest, result) ?? endText(result))"]
    }
    guard problems.isEmpty, isFinished else {
      if problems.isEmpty { problems = ["it \(endText(result))\n\(lastLines(result.errors))"] }
      throw .failed(
        place,
        "\(program) that is launched can't import what it needs from the packed file: add that to the dependencies or "
          + "to data, or name the module in smoke.skip-imports\n"
          + problems.map { "  \($0)" }.joined(separator: "\n"))
    }
    return (facts["imports"].flatMap { Int($0) } ?? 0) > 0
  }

  // MARK: Helpers

  private func texts(_ output: [UInt8]) -> [String] {
    output.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Runs a helper program with the unpacked interpreter, as the launch does.
  private func runStaged(
    _ helper: String, _ arguments: [String], timeout: Int
  ) throws(Failure) -> Subprocess.Result {
    let placeholders = Placeholders(root: tree.bytes, executable: onefile.bytes)
    let variables = request.staged.variables.map { variable in
      let expanded = LaunchRecord.expandVariable(
        Array("\(variable.name)=\(variable.value)".utf8), placeholders
      ) { name in
        ProcessContext.environmentEntries().variable(name[...])
      }
      return String(decoding: expanded, as: UTF8.self)
    }
    return try runProgram(
      tree.appending(request.staged.interpreter ?? ""),
      (["-I", "-B", "-c", helper] + arguments).map { Path($0) },
      environment: cleanEnvironment(adding: environment + variables),
      directory: request.scratch.appending("home"), timeout: timeout)
  }
}
