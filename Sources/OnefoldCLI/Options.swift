import AppSpec
import PayloadFormat
import Posix

/// The possible values of an option or argument. The shells' completions offer them.
enum Values: Sendable, Equatable {
  /// There is nothing to offer.
  case any
  /// One of these words only.
  case words([String])
  case file
  case directory
  /// A file or a directory.
  case path
}

/// An option of a command: its names, value and purpose.
struct Option: Sendable {
  var name: String
  var short: String? = nil
  /// The name of the value in the help; nil for a switch.
  var value: String? = nil
  var values = Values.any
  var help: String
  /// Whether the option can be repeated.
  var repeats = false

  /// The short name, if any, and the long name.
  var names: [String] { (short.map { [$0] } ?? []) + [name] }
}

/// An argument that is not an option.
struct Argument: Sendable {
  var name: String
  var help: String
  var values: Values

  init(_ name: String, _ help: String, _ values: Values = .any) {
    self.name = name
    self.help = help
    self.values = values
  }
}

/// A command, as its help shows it and as its arguments are parsed.
struct Command: Sendable {
  var name: String
  var summary: String
  /// The purpose of the command, in paragraphs of the help. Indented lines are kept as they are.
  var discussion: String
  /// The required arguments that are not options.
  var arguments: [Argument] = []
  /// An optional argument after the required ones.
  var optionalArgument: Argument? = nil
  /// The command's own options, without `generalOptions`.
  var options: [Option] = []
  /// The arguments after `--`; nil if none are allowed.
  var rest: Argument? = nil
  /// Whether the last of `arguments` can be repeated.
  var repeatsLastArgument = false

  /// All arguments that are not options, in their order.
  var positional: [Argument] { arguments + (optionalArgument.map { [$0] } ?? []) }

  var allOptions: [Option] { options + Command.generalOptions }

  var usage: String {
    var text = "onefold \(name)"
    for argument in arguments { text += " \(argument.name)" }
    if let optionalArgument { text += " [\(optionalArgument.name)]" }
    text += " [options]"
    if let rest { text += " [-- \(rest.name)]" }
    return text
  }

  /// Usage, arguments and options, with their descriptions.
  var help: String {
    var text = "\(discussion)\n\nUSAGE: \(usage)\n"
    if !positional.isEmpty || rest != nil {
      text += "\nARGUMENTS:\n"
      for argument in positional { text += helpLine(argument.name, argument.help) }
      if let rest { text += helpLine("-- \(rest.name)", rest.help) }
    }
    text += "\nOPTIONS:\n"
    for option in allOptions { text += option.helpLine }
    return text
  }

  static let helpOption = Option(name: "--help", short: "-h", help: "show this help")
  static let quietOption = Option(
    name: "--quiet", short: "-q", help: "print errors and warnings only, no summary, no progress")
  static let colorOption = Option(
    name: "--color", value: "WHEN", values: .words(["auto", "always", "never"]),
    help: "color messages: auto (default; on a terminal), always or never")

  /// The options that every command has.
  static let generalOptions = [quietOption, colorOption, helpOption]
}

extension Option {
  /// Names, value and meaning, as the help shows them.
  var helpLine: String {
    var left = names.joined(separator: ", ")
    if let value { left += " \(value)" }
    return OnefoldCLI.helpLine(left, help)
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

extension Failure {
  /// An invalid command line: exit code 2.
  static func usage(_ message: String) -> Failure {
    Failure(.usage, Text(utf8: [UInt8](message.utf8)))
  }
}

/// The parsed arguments of a command.
struct Arguments: Sendable {
  private var values: [String: [Path]] = [:]
  private(set) var positional: [Path] = []
  /// The arguments after `--`.
  private(set) var rest: [Path] = []
  private(set) var wantsHelp = false
  private let command: Command

  /// Parses the arguments after the command's name. Values are bytes: they need not be UTF-8.
  init(_ arguments: [Path], of command: Command) throws(Failure) {
    self.command = command
    let options = command.allOptions
    var next = 0
    while next < arguments.count {
      let bytes = arguments[next].bytes
      next += 1
      let text = String(decoding: bytes, as: UTF8.self)
      if text == "--" {
        guard command.rest != nil else { throw .usage("unexpected '--'") }
        rest = Array(arguments[next...])
        break
      }
      guard text.hasPrefix("-"), text != "-" else {
        guard positional.count < command.positional.count || command.repeatsLastArgument else {
          throw .usage("unexpected argument \(quotedText(bytes))")
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
        options.contains(where: { $0.value != nil && $0.short.map(text.hasPrefix) ?? false })
      {
        // "-j4": a short name with its value.
        name = String(text.prefix(2))
        inline = Path([UInt8](bytes[2...]))
      }
      if name == Command.helpOption.name || name == Command.helpOption.short {
        wantsHelp = true
        return
      }
      guard let option = options.first(where: { $0.names.contains(name) }) else {
        throw .usage(Arguments.unknown(name, command))
      }
      guard option.repeats || values[option.name] == nil else {
        throw .usage("option '\(option.name)' is given twice")
      }
      if option.value == nil {
        guard inline == nil else { throw .usage("option '\(option.name)' takes no value") }
        values[option.name, default: []].append(Path())
      } else if let inline {
        values[option.name, default: []].append(inline)
      } else {
        guard next < arguments.count else {
          throw .usage("option '\(option.name)' needs a value: \(option.value ?? "")")
        }
        values[option.name, default: []].append(arguments[next])
        next += 1
      }
    }
    if positional.count < command.arguments.count {
      throw .usage("missing argument \(command.arguments[positional.count].name)")
    }
  }

  private static func unknown(_ name: String, _ command: Command) -> String {
    let names = command.allOptions.flatMap(\.names)
    let hint = nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
    return "unknown option \(quotedText(name.utf8))\(hint)"
  }

  func has(_ name: String) -> Bool { values[name] != nil }
  func value(_ name: String) -> Path? { values[name]?.first }
  func all(_ name: String) -> [Path] { values[name] ?? [] }

  /// One of the words that the option's `values` lists.
  func word(_ name: String) throws(Failure) -> String? {
    guard let value = value(name) else { return nil }
    let values = command.allOptions.first { $0.name == name }?.values
    return try Arguments.word(value, of: values, "option '\(name)'")
  }

  /// The value that the option names; its `values` list all of them.
  func named<Value: NamedValue>(_ option: String) throws(Failure) -> Value? {
    try word(option).flatMap { Value(named: $0.utf8) }
  }

  /// An argument that must be one of the words that its `values` lists.
  func positionalWord(_ index: Int) throws(Failure) -> String {
    let argument = command.positional[index]
    return try Arguments.word(positional[index], of: argument.values, argument.name)
  }

  private static func word(_ value: Path, of values: Values?, _ name: String)
    throws(Failure) -> String
  {
    guard case .words(let words)? = values, !words.contains(value.string) else {
      return value.string
    }
    let hint = nearest(to: value.string, in: words).map { "; did you mean '\($0)'?" } ?? ""
    throw .usage("\(name) needs \(alternatives(words)), not \(value.quoted)\(hint)")
  }

  /// A whole number in a range.
  func number(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
    guard let value = value(name) else { return nil }
    guard value.bytes.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
      let number = Int(String(decoding: value.bytes, as: UTF8.self)), range.contains(number)
    else {
      throw .usage(
        "option '\(name)' needs a number from \(range.lowerBound) to \(range.upperBound), "
          + "not \(value.quoted)")
    }
    return number
  }
}
