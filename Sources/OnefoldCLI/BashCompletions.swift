/// A completion script for bash 4.4 or newer, which needs no other file.
func bashCompletions(_ table: CompletionTable) -> String {
  """
  # Completes 'onefold' in bash. Made by 'onefold completions bash', version \(version).

  # Prints the options of the command $1, a line each.
  __onefold_options() {
    case $1 in
  \(optionCases(table))
    esac
  }

  # Prints what the value of $2 may be in the command $1; $2 is an option, or the number of an argument.
  __onefold_values() {
    case "$1 $2" in
  \(valueCases(table))
    esac
  }

  # Sets COMPREPLY to what completes $1 among values that $2 names.
  __onefold_offer() {
    case ${2-} in
      words) mapfile -t COMPREPLY < <(compgen -W "${*:3}" -- "$1") ;;
      file | path) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$1") ;;
      directory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$1") ;;
    esac
  }

  __onefold() {
    local current=${COMP_WORDS[COMP_CWORD]} command= option= start= count=0 index word
    local -a values
    COMPREPLY=()
    # bash splits words at '='.
    [[ $current == '=' ]] && current=
    for ((index = 1; index < COMP_CWORD; index++)); do
      word=${COMP_WORDS[index]}
      if [[ -n $option ]]; then
        [[ $word == '=' ]] || option=
      elif [[ $word == -- ]]; then
        read -ra values < <(__onefold_values "$command" --)
        __onefold_offer "$current" "${values[@]}"
        return
      elif [[ -n $(__onefold_values "$command" "$word") && $word == -* ]]; then
        option=$word
      elif [[ $word != -* ]]; then
        if [[ -z $command ]]; then command=$word; else ((count++)); fi
      elif [[ -z $command && $word != -q && $word != --* || $word == --version ]]; then
        command=$word
      fi
    done
    # Where bash does not split them.
    if [[ -z $option && $current == --*=* ]]; then
      option=${current%%=*} start=${current%%=*}= current=${current#*=}
    fi
    if [[ -n $option ]]; then
      read -ra values < <(__onefold_values "$command" "$option")
    elif [[ $current == -* ]]; then
      values=(words $(__onefold_options "$command"))
    else
      read -ra values < <(__onefold_values "$command" "$count")
    fi
    __onefold_offer "$current" "${values[@]}"
    [[ -z $start ]] || COMPREPLY=("${COMPREPLY[@]/#/$start}")
  }

  complete -F __onefold onefold

  """
}

private func optionCases(_ table: CompletionTable) -> String {
  var lines = [("", table.leading.flatMap(\.names) + table.forms)]
  lines += table.commands.map { ($0.name, table.options(of: $0).flatMap(\.names)) }
  lines += [("--version", CompletionTable.versionOptions)]
  return lines.map { name, options in
    "    \(shellQuoted(name))) printf '%s\\n' \(options.joined(separator: " ")) ;;"
  }.joined(separator: "\n")
}

private func valueCases(_ table: CompletionTable) -> String {
  var lines = ["    ' 0') echo words \(table.commands.map(\.name).joined(separator: " ")) ;;"]
  lines += table.leading.compactMap { valueCase("", $0.names, $0.value != nil, $0.values) }
  for command in table.commands {
    lines += table.options(of: command).compactMap {
      valueCase(command.name, $0.names, $0.value != nil, $0.values)
    }
    for (index, argument) in command.positional.enumerated() {
      let isLast = index == command.positional.count - 1
      let number = isLast && command.repeatsLastArgument ? "*" : String(index)
      if let line = valueCase(command.name, [number], true, argument.values) { lines.append(line) }
    }
    if let rest = command.rest,
      let line = valueCase(command.name, ["--"], true, rest.values)
    {
      lines.insert(line, at: lines.startIndex)
    }
  }
  return lines.joined(separator: "\n")
}

/// Returns nil for a switch.
private func valueCase(_ command: String, _ names: [String], _ hasValue: Bool, _ values: Values)
  -> String?
{
  guard hasValue else { return nil }
  let patterns = names.map { name in
    name == "*" ? "\(shellQuoted("\(command) "))[0-9]*" : shellQuoted("\(command) \(name)")
  }
  let answer =
    switch values {
    case .any: "any"
    case .words(let words): "words \(words.joined(separator: " "))"
    case .file: "file"
    case .directory: "directory"
    case .path: "path"
    }
  return "    \(patterns.joined(separator: " | "))) echo \(answer) ;;"
}
