/// A completion function for zsh, which compinit finds in a directory of `fpath`.
func zshCompletions(_ table: CompletionTable) -> String {
  """
  #compdef onefold
  # Completes 'onefold' in zsh. Made by 'onefold completions zsh', version \(version).

  _onefold() {
    local curcontext="$curcontext" state line
    typeset -A opt_args
    if [[ $words[2] == (--version|-V) ]] && (( CURRENT > 2 )); then
      compadd -- \(CompletionTable.versionOptions.joined(separator: " "))
      return
    fi
    _arguments -C \\
  \(table.leading.map { "    \(specification($0)) \\\n" }.joined())\
  \(generalForms.map { "    \(form($0)) \\\n" }.joined())\
      '1: :__onefold_commands' \\
      '*:: :->arguments'
    [[ $state == arguments ]] || return
    curcontext="${curcontext%:*:*}:onefold-$words[1]:"
    case $words[1] in
  \(table.commands.map { commandCase($0, table) }.joined(separator: "\n"))
    esac
  }

  __onefold_commands() {
    local -a commands=(
  \(table.commands.map { "    \(described($0.name, $0.summary))" }.joined(separator: "\n"))
    )
    _describe command commands
  }

  # Files, but only after '--'.
  __onefold_rest() { (( ${words[(I)--]} == 0 || ${words[(I)--]} >= CURRENT )) || _files }

  if [[ $funcstack[1] == _onefold ]]; then _onefold "$@"; else compdef _onefold onefold; fi

  """
}

private func form(_ form: (name: String, short: String?, help: String)) -> String {
  let names = (form.short.map { [$0] } ?? []) + [form.name]
  return "'(- *)'{\(names.joined(separator: ","))}\(shellQuoted("[\(escaped(form.help))]"))"
}

private func commandCase(_ command: Command, _ table: CompletionTable) -> String {
  var lines = table.options(of: command).map(specification)
  let positional = command.positional
  for (index, argument) in positional.enumerated() {
    let isLast = index == positional.count - 1
    let isOptional = isLast && command.optionalArgument != nil
    let place = isLast && command.repeatsLastArgument ? "*" : String(index + 1)
    let separator = isOptional ? "::" : ":"
    let text = "\(place)\(separator)\(escaped(argument.name)):\(action(argument.values))"
    lines.append(shellQuoted(text))
  }
  if command.rest != nil && !command.repeatsLastArgument {
    lines.append(shellQuoted("*:ARGS:__onefold_rest"))
  }
  return "    \(command.name))\n      _arguments \\\n"
    + lines.map { "        \($0)" }.joined(separator: " \\\n") + "\n      ;;"
}

/// The option in the syntax of `_arguments`.
private func specification(_ option: Option) -> String {
  var text = "[\(escaped(option.help))]"
  if let value = option.value { text += ":\(escaped(value)):\(action(option.values))" }
  // "=" and "+": the value is the next word, or a part of this one.
  let names = option.names.map { name in
    option.value == nil ? name : name + (name.hasPrefix("--") ? "=" : "+")
  }
  if option.repeats {
    return names.map { shellQuoted("*\($0)\(text)") }.joined(separator: " ")
  }
  guard names.count > 1 else { return shellQuoted(names[0] + text) }
  let group = "(\(option.names.joined(separator: " ")))"
  return "\(shellQuoted(group)){\(names.joined(separator: ","))}\(shellQuoted(text))"
}

private func action(_ values: Values) -> String {
  switch values {
  case .any: " "
  case .words(let words): "(\(words.joined(separator: " ")))"
  case .file, .path: "_files"
  case .directory: "_files -/"
  }
}

private func described(_ name: String, _ text: String) -> String {
  shellQuoted("\(name):\(escaped(text))")
}

/// Escapes brackets and colons, which have a meaning in a specification.
private func escaped(_ text: String) -> String {
  var result = ""
  for character in text {
    if "[]:\\".contains(character) { result += "\\" }
    result.append(character)
  }
  return result
}
