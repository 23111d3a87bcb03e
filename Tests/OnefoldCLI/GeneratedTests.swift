import AppSpec
import Reporting
import Testing

@testable import OnefoldCLI

/// The JSON Schema has every key of the schema, and the shell scripts every option. End-to-end tests cover their
/// behavior.
@Suite struct GeneratedTests {
  @Test func everyKeyIsInTheJSONSchema() {
    let text = specSchema().encoded
    for table in Schema.tables {
      #expect(text.contains(JSON.string("\(table.heading): \(table.meaning)").encoded.dropLast()))
      for key in table.keys {
        #expect(text.contains("\"\(key.name)\": {"), "\(table.path).\(key.name)")
        #expect(text.contains(JSON.string(key.meaning).encoded.dropLast()), "\(key.name)")
      }
    }
  }

  @Test func rulesNameKeysOfTheirTables() {
    for table in Schema.tables {
      let below = Schema.tables.map(\.path).filter { $0.hasPrefix("\(table.path).") }
      let names = Set(
        table.keys.map(\.name) + below.map { String($0.dropFirst(table.path.count + 1)) })
      for rule in Schema.rules(of: table.path) {
        switch rule {
        case .needed(let key): #expect(names.contains(key))
        case .exactlyOne(let keys), .atLeastOne(let keys):
          #expect(names.isSuperset(of: keys))
        case .notBoth(let one, let other, _), .exclusive(let one, let other):
          #expect(names.isSuperset(of: [one, other]))
        case .goesWith(let key, let others): #expect(names.isSuperset(of: [key] + others))
        case .needsIfMatches(let key, _, let other):
          #expect(names.isSuperset(of: [key, other]))
        case .range(let key, _, let other, _, _): #expect(names.isSuperset(of: [key, other]))
        case .unless: Issue.record("only the whole spec has such a rule")
        }
      }
    }
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func everyOptionIsInTheScripts(_ shell: String) {
    let table = CompletionTable()
    let script =
      switch shell {
      case "bash": bashCompletions(table)
      case "zsh": zshCompletions(table)
      default: fishCompletions(table)
      }
    for command in table.commands {
      #expect(script.contains(command.name))
      for option in table.options(of: command) {
        let name = shell == "fish" ? "-l \(option.name.dropFirst(2)) " : option.name
        #expect(script.contains(name), "\(command.name) \(option.name)")
      }
    }
  }
}
