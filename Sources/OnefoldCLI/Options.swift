import AppSpec
import Posix

/// An option of a command: its names, what follows it, and what it is for.
struct Option: Sendable {
  var name: String
  var short: String? = nil
  /// What the value is called in the help; nil for a switch.
  var value: String? = nil
  var help: String
  /// Whether it may be given several times.
  var repeats = false
}

/// A command, as its help shows it and as its arguments are parsed.
struct Command: Sendable {
  var name: String
  var summary: String
  /// What the command is for, in paragraphs of the help.
  var discussion: String
  /// Names and help of the arguments that are no options; all are needed.
  var arguments: [(name: String, help: String)] = []
  /// An argument that may follow those.
  var optionalArgument: (name: String, help: String)? = nil
  var options: [Option] = []
  /// What may follow `--`; nil where nothing may.
  var rest: (name: String, help: String)? = nil
  /// Whether the last of `arguments` may be given several times.
  var repeatsLastArgument = false

  var usage: String {
    var text = "onefold \(name)"
    for argument in arguments { text += " \(argument.name)" }
    if let optionalArgument { text += " [\(optionalArgument.name)]" }
    text += " [options]"
    if let rest { text += " [-- \(rest.name)]" }
    return text
  }

  static let helpOption = Option(name: "--help", short: "-h", help: "show this help")

  /// Usage, arguments and options, each described.
  var help: String {
    var text = "\(discussion)\n\nUSAGE: \(usage)\n"
    let all = arguments + (optionalArgument.map { [$0] } ?? [])
    if !all.isEmpty || rest != nil {
      text += "\nARGUMENTS:\n"
      for argument in all { text += helpLine(argument.name, argument.help) }
      if let rest { text += helpLine("-- \(rest.name)", rest.help) }
    }
    text += "\nOPTIONS:\n"
    for option in options + [Command.helpOption] {
      var names = option.short.map { "\($0), \(option.name)" } ?? option.name
      if let value = option.value { names += " \(value)" }
      text += helpLine(names, option.help)
    }
    return text
  }
}

/// Two columns, the second wrapped at 80 characters.
func helpLine(_ left: String, _ right: String) -> String {
  let column = 26
  var text = "  \(left)"
  var position = text.utf8.count
  if position > column - 2 {
    text += "\n"
    position = 0
  }
  text += String(repeating: " ", count: column - position)
  position = column
  var isFirst = true
  for word in right.split(separator: " ") {
    if !isFirst && position + 1 + word.utf8.count > 80 {
      text += "\n" + String(repeating: " ", count: column)
      position = column
      isFirst = true
    }
    if !isFirst {
      text += " "
      position += 1
    }
    text += word
    position += word.utf8.count
    isFirst = false
  }
  return text + "\n"
}

/// A command line that can't be understood: exit code 2.
struct UsageError: Error, Equatable {
  var message: String

  init(_ message: String) { self.message = message }
}

/// The parsed arguments of a command.
struct Arguments: Sendable {
  private var values: [String: [Path]] = [:]
  private(set) var positional: [Path] = []
  /// What follows `--`.
  private(set) var rest: [Path] = []
  private(set) var wantsHelp = false

  /// Parses what follows the command's name. Values are bytes: they need not be UTF-8.
  init(_ arguments: [Path], of command: Command) throws(UsageError) {
    var next = 0
    while next < arguments.count {
      let bytes = arguments[next].bytes
      next += 1
      let text = String(decoding: bytes, as: UTF8.self)
      if text == "--" {
        guard command.rest != nil else { throw UsageError("unexpected '--'") }
        rest = Array(arguments[next...])
        break
      }
      guard text.hasPrefix("-"), text != "-" else {
        let most = command.arguments.count + (command.optionalArgument == nil ? 0 : 1)
        guard positional.count < most || command.repeatsLastArgument else {
          throw UsageError("unexpected argument \(quotedText(bytes))")
        }
        positional.append(Path([UInt8](bytes)))
        continue
      }
      var name = text
      var inline: Path? = nil
      if text.hasPrefix("--"), let equals = bytes.firstIndex(of: UInt8(ascii: "=")) {
        name = String(decoding: bytes[..<equals], as: UTF8.self)
        inline = Path([UInt8](bytes[(equals + 1)...]))
      } else if !text.hasPrefix("--"), bytes.count > 2,
        command.options.contains(where: { $0.value != nil && $0.short.map(text.hasPrefix) ?? false }
        )
      {
        // "-j4": a short name with its value.
        name = String(text.prefix(2))
        inline = Path([UInt8](bytes[2...]))
      }
      if name == Command.helpOption.name || name == Command.helpOption.short {
        wantsHelp = true
        return
      }
      guard let option = command.options.first(where: { $0.name == name || $0.short == name })
      else {
        throw UsageError(Arguments.unknown(name, command))
      }
      guard option.repeats || values[option.name] == nil else {
        throw UsageError("option '\(option.name)' is given twice")
      }
      if option.value == nil {
        guard inline == nil else { throw UsageError("option '\(option.name)' takes no value") }
        values[option.name, default: []].append(Path())
      } else if let inline {
        values[option.name, default: []].append(inline)
      } else {
        guard next < arguments.count else {
          throw UsageError("option '\(option.name)' needs a value: \(option.value ?? "")")
        }
        values[option.name, default: []].append(arguments[next])
        next += 1
      }
    }
    if positional.count < command.arguments.count {
      throw UsageError("missing argument \(command.arguments[positional.count].name)")
    }
  }

  private static func unknown(_ name: String, _ command: Command) -> String {
    let names = (command.options + [Command.helpOption]).flatMap {
      [$0.name] + ($0.short.map { [$0] } ?? [])
    }
    let hint = nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
    return "unknown option \(quotedText(name.utf8))\(hint)"
  }

  func has(_ name: String) -> Bool { values[name] != nil }
  func value(_ name: String) -> Path? { values[name]?.first }
  func all(_ name: String) -> [Path] { values[name] ?? [] }

  /// One of these words.
  func word(_ name: String, of words: [String]) throws(UsageError) -> String? {
    guard let value = value(name) else { return nil }
    if words.contains(value.string) { return value.string }
    let hint = nearest(to: value.string, in: words).map { "; did you mean '\($0)'?" } ?? ""
    throw UsageError(
      "option '\(name)' needs \(alternatives(words)), not \(value.quoted)\(hint)")
  }

  /// A whole number in a range.
  func number(_ name: String, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
    guard let value = value(name) else { return nil }
    guard value.bytes.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
      let number = Int(String(decoding: value.bytes, as: UTF8.self)), range.contains(number)
    else {
      throw UsageError(
        "option '\(name)' needs a number from \(range.lowerBound) to \(range.upperBound), "
          + "not \(value.quoted)")
    }
    return number
  }
}
