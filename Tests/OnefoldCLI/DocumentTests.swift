import Posix
import Processes
import TestSupport
import Testing

@testable import OnefoldCLI

/// The documents name every option, verb and variable in the code, and no others.
@Suite struct DocumentTests {
  // MARK: docs/command-line.md

  /// The lines between a heading and the next of the same level.
  private func section(_ heading: String) throws -> [Substring] {
    let lines = try Repository.text("docs/command-line.md")
      .split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0 == heading }, "\(heading) is missing")
    let rest = lines[(start + 1)...]
    return Array(rest.prefix { !$0.hasPrefix("## ") })
  }

  /// The first cells of the rows of all tables.
  private func firstCells(_ lines: [Substring]) -> [Substring] {
    lines.filter { $0.hasPrefix("| `") }.map { line in
      line.dropFirst(2).prefix { $0 != "|" }
    }
  }

  private func options(_ lines: [Substring]) -> [String] {
    firstCells(lines).flatMap { cell in
      matches(of: #/-{1,2}[a-zA-Z][a-z-]*/#, in: cell)
    }.sorted()
  }

  private func matches(of pattern: Regex<Substring>, in text: Substring) -> [String] {
    text.matches(of: pattern).map { String($0.output) }
  }

  @Test func everyProgramThatPackRunsIsDocumented() throws {
    let text = try Repository.text("docs/packing.md")
    let start = try #require(text.firstRange(of: "## What pack runs\n")).upperBound
    let lines = text[start...].split(separator: "\n").prefix { !$0.hasPrefix("## ") }
    let cells = firstCells(Array(lines)).joined()
    for program in HostProgram.allCases {
      #expect(cells.contains("`\(program.rawValue)`"), "\(program)")
    }
  }

  @Test func everyCommandIsDocumented() throws {
    let text = try Repository.text("docs/command-line.md")
    for (command, _) in commands {
      #expect(text.contains("## `onefold \(command.name)`"), "\(command.name)")
    }
    let headings = text.split(separator: "\n").filter { $0.hasPrefix("## `onefold ") }
    #expect(headings.map(String.init) == commands.map { "## `onefold \($0.command.name)`" })
  }

  @Test func everyOptionIsDocumentedAndNoOther() throws {
    for (command, _) in commands {
      let known = command.options.flatMap { [$0.name] + ($0.short.map { [$0] } ?? []) }.sorted()
      #expect(try options(section("## `onefold \(command.name)`")) == known, "\(command.name)")
    }
  }

  @Test func valuesAreCalledAsInTheHelp() throws {
    for (command, _) in commands {
      let lines = try section("## `onefold \(command.name)`")
      for option in command.options {
        let row = try #require(lines.first { $0.hasPrefix("| `\(option.name)`") })
        let cells = row.split(separator: "|", omittingEmptySubsequences: false)
        let value = cells[2].filter { $0 != " " }
        #expect(value == option.value ?? "", "\(command.name) \(option.name)")
        if option.repeats { #expect(row.contains("may be repeated")) }
      }
    }
  }

  @Test func argumentsAreInTheUsage() throws {
    for (command, _) in commands {
      let usage = try section("## `onefold \(command.name)`").first { $0.hasPrefix("onefold ") }
      for argument in command.arguments { #expect(usage?.contains(argument.name) == true) }
      if let argument = command.optionalArgument {
        #expect(usage?.contains("[\(argument.name)]") == true)
      }
      if let rest = command.rest { #expect(usage?.contains("[-- \(rest.name)]") == true) }
    }
  }

  @Test func generalOptionsAreDocumented() throws {
    let known =
      Command.generalOptions.flatMap(\.names)
      + generalForms.flatMap { [$0.name] + ($0.short.map { [$0] } ?? []) }
    #expect(try options(section("## Conventions")) == Set(known).sorted())
  }

  @Test func exitCodesAreDocumented() throws {
    let rows = try section("## Conventions").filter { $0.hasPrefix("| ") }
    for (code, _) in exitCodes {
      #expect(rows.contains { $0.hasPrefix("| \(code) |") })
    }
  }

  /// The manual page has its own table.
  @Test func variablesOfTheManualPageAreDocumented() throws {
    let cells = try firstCells(section("## Conventions")).flatMap { cell in
      matches(of: #/[A-Z][A-Z_]+/#, in: cell)
    }
    let known = environmentVariables.flatMap { matches(of: #/[A-Z][A-Z_]+/#, in: $0.name[...]) }
    #expect(Set(cells).subtracting(["WHEN", "COMMAND"]) == Set(known))
  }

  // MARK: Variables

  private func variables(in text: String) -> Set<String> {
    Set(matches(of: #/ONEFOLD_[A-Z0-9_]*[A-Z0-9]/#, in: text[...]))
  }

  private func variables(inSources directories: [String]) throws -> Set<String> {
    var result: Set<String> = []
    for directory in directories {
      for file in try Repository.files(below: directory, suffix: ".swift") {
        result.formUnion(variables(in: try Repository.text(file)))
      }
    }
    return result
  }

  @Test func variablesOfTheLaunchAreDocumented() throws {
    let known = try variables(
      inSources: ["Bootloader", "Sources/CacheDirectory", "Sources/PayloadReader", "Sources/Posix"])
    #expect(known.contains("ONEFOLD_CACHE"))
    let document = try Repository.text("docs/launch.md")
    #expect(known.subtracting(variables(in: document)) == [])
    // As code, in a table.
    for variable in known { #expect(document.contains("`\(variable)`"), "\(variable)") }
    #expect(variables(in: document).subtracting(known) == [])
  }

  @Test func variablesOfTheCommandAreDocumented() throws {
    var known = try variables(inSources: ["Sources/OnefoldCLI", "Sources/PayloadWriter"])
    for file in ["ArchiveDownload.swift", "Python/download.py"] {
      known.formUnion(variables(in: try Repository.text("Sources/PythonStaging/\(file)")))
    }
    let document = variables(in: try Repository.text("docs/command-line.md"))
    #expect(document == known)
  }

  // MARK: docs/launch.md

  @Test func verbsAreDocumentedAndNoOthers() throws {
    let source = try Repository.text("Bootloader/Launcher/Verbs.swift")
    let line = try #require(
      source.split(separator: "\n").first { $0.hasPrefix("  case ") })
    let verbs = line.dropFirst("  case ".count).split(separator: ",").map {
      String($0.filter { $0 != " " })
    }
    #expect(verbs.contains("help") && verbs.contains("clean"))
    let document = try Repository.text("docs/launch.md")
    let start = try #require(document.firstRange(of: "## Verbs\n"))
    let lines = document[start.upperBound...].split(separator: "\n").prefix {
      !$0.hasPrefix("## ")
    }
    let documented = firstCells(Array(lines)).flatMap { matches(of: #/[a-z]+/#, in: $0) }
    #expect(documented.sorted() == verbs.sorted())
  }

  @Test func checksAreDocumented() throws {
    let document = try Repository.text("docs/launch.md")
    for check in ["seal", "dirs", "files", "full"] {
      #expect(document.contains("| `\(check)` |"))
    }
  }

  @Test func exitCodesOfTheLaunchAreDocumented() throws {
    let document = try Repository.text("docs/launch.md")
    let source = try Repository.text("Bootloader/Launcher/LaunchFailures.swift")
    let codes = source.matches(of: #/Int32 \{ (1[0-9]{2}) \}/#).map { String($0.output.1) }
    #expect(codes.sorted() == ["120", "121", "122", "125", "126", "127"])
    for code in codes { #expect(document.contains("| \(code) |")) }
  }
}
