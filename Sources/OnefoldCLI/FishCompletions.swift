/// Completions for fish 3.
func fishCompletions(_ table: CompletionTable) -> String {
  """
  # Completes 'onefold' in fish. Made by 'onefold completions fish', version \(version).

  # Options that take a value, which is not a command.
  set -g __onefold_valued \(valued(table).joined(separator: " "))

  # Prints the command, and then the arguments so far that are not options, a line each; '--' ends the options.
  function __onefold_words
      set -l skip 0
      set -l words (commandline -opc)
      for word in $words[2..-1]
          if test $skip = 1
              set skip 0
          else if test "$word" = --
              printf '%s\\n' --
              return
          else if contains -- $word $__onefold_valued
              set skip 1
          else if not string match -q -- '-*' $word
              printf '%s\\n' $word
          else if string match -qr -- '^(-V|--version)$' $word
              printf '%s\\n' --version
          end
      end
  end

  # Whether the command is $argv[1] and, if given, $argv[2] arguments follow it so far.
  function __onefold_at
      set -l words (__onefold_words)
      contains -- -- $words[2..-1]; and return 1
      test (count $argv) = 1 -o "$argv[2]" = (math (count $words) - 1); and test "$words[1]" = "$argv[1]"
  end

  function __onefold_first
      test (count (__onefold_words)) = 0
  end

  function __onefold_rest
      set -l words (__onefold_words)
      test "$words[1]" = "$argv[1]"; and contains -- -- $words
  end

  complete -c onefold -f
  \(generalLines(table).joined(separator: "\n"))
  \(table.commands.flatMap { lines($0, table) }.joined(separator: "\n"))

  """
}

private func valued(_ table: CompletionTable) -> [String] {
  var names: [String] = []
  for option in table.commands.flatMap(\.allOptions) where option.value != nil {
    names += option.names.filter { !names.contains($0) }
  }
  return names
}

private func generalLines(_ table: CompletionTable) -> [String] {
  let start = "complete -c onefold -n __onefold_first"
  return table.commands.map { "\(start) -a \($0.name) -d \(quoted($0.summary))" }
    + table.leading.map { "\(start)\(flags($0))" }
    + generalForms.map { form in
      let option = Option(name: form.name, short: form.short, help: form.help)
      return "\(start)\(flags(option))"
    }
    + CompletionTable.versionOptions.map {
      "complete -c onefold -n '__onefold_at --version' -l \($0.dropFirst(2))"
    }
}

private func lines(_ command: Command, _ table: CompletionTable) -> [String] {
  var lines = table.options(of: command).map { option in
    "complete -c onefold -n '__onefold_at \(command.name)'\(flags(option))"
  }
  for (index, argument) in command.positional.enumerated() {
    let repeats = index == command.positional.count - 1 && command.repeatsLastArgument
    let place = repeats ? command.name : "\(command.name) \(index)"
    if let values = offer(argument.values) {
      lines.append("complete -c onefold -n '__onefold_at \(place)'\(values)")
    }
  }
  if let rest = command.rest, let values = offer(rest.values) {
    lines.append("complete -c onefold -n '__onefold_rest \(command.name)'\(values)")
  }
  return lines
}

/// Names, value and meaning of an option.
private func flags(_ option: Option) -> String {
  var text = ""
  if let short = option.short { text += " -s \(short.dropFirst())" }
  text += " -l \(option.name.dropFirst(2))"
  if option.value != nil { text += " -r\(offer(option.values) ?? " -f")" }
  return "\(text) -d \(quoted(option.help))"
}

/// Nil if there is nothing to offer.
private func offer(_ values: Values) -> String? {
  switch values {
  case .any: nil
  case .words(let words): " -f -a \(quoted(words.joined(separator: " ")))"
  case .file, .path: " -F"
  case .directory: " -f -a '(__fish_complete_directories)'"
  }
}

private func quoted(_ text: String) -> String {
  shellQuoted(text.replacing("\\", with: "\\\\"), escape: "\\'")
}
