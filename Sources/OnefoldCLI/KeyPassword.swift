import Posix
import Processes
import Signatures

/// The option of commands that need the password of a secret key.
let passwordOption = Option(
  name: "--password-fd", value: "N",
  help: "read the password from this open file descriptor, up to its first line feed")

/// The variable with the password. It is removed from the environment when it is read.
private let variable: StaticString = "ONEFOLD_KEY_PASSWORD"

/// The password of a secret key: from `--password-fd`, else from the variable, else from the terminal.
///
/// - Parameters:
///   - path: the file of the key, for messages.
///   - isNew: the password is asked for twice, and must not be empty.
/// - Throws: that there is no password, or that two differ; "read", or `interrupted`.
func keyPassword(of path: Path, isNew: Bool, _ arguments: Arguments) throws(Failure) -> SecretBytes
{
  if let given = try givenPassword(arguments) {
    guard !isNew || !given.bytes.isEmpty else { throw .emptyPassword(path) }
    return given
  }
  let asked = try askedPassword(of: path, isNew: isNew)
  guard !isNew || !asked.bytes.isEmpty else { throw .emptyPassword(path) }
  return asked
}

private func givenPassword(_ arguments: Arguments) throws(Failure) -> SecretBytes? {
  let buffer = SecretBytes(count: SecretKeyFile.longestPassword)
  do throws(Failure) {
    if let descriptor = try arguments.number(passwordOption.name, in: 0...1_000_000) {
      return buffer.prefix(try SecretInput.readLine(of: Int32(descriptor), into: buffer.bytes))
    }
    guard let count = try SecretInput.takeVariable(variable, into: buffer.bytes) else { return nil }
    return buffer.prefix(count)
  } catch { throw error.errno == SecretInput.tooLong ? .longPassword : error }
}

private func askedPassword(of path: Path, isNew: Bool) throws(Failure) -> SecretBytes {
  let password = try ask("\(isNew ? "new " : "")password of \(path.quoted): ", path)
  guard isNew else { return password }
  let again = try ask("the same again: ", path)
  guard password.bytes.elementsEqual(again.bytes) else { throw .differentPasswords(path) }
  return password
}

private func ask(_ prompt: String, _ path: Path) throws(Failure) -> SecretBytes {
  let buffer = SecretBytes(count: SecretKeyFile.longestPassword)
  do throws(Failure) {
    return buffer.prefix(try SecretInput.ask(Text(utf8: [UInt8](prompt.utf8)), into: buffer.bytes))
  } catch {
    switch error.errno {
    case SecretInput.tooLong: throw .longPassword
    case SecretInput.noTerminal: throw .noTerminal(path)
    default: throw error
    }
  }
}

extension Failure {
  fileprivate static var longPassword: Failure {
    .failed("the password has more than \(SecretKeyFile.longestPassword) bytes: use a shorter one")
  }

  fileprivate static func noTerminal(_ path: Path) -> Failure {
    .failed(
      "there is no terminal to ask for the password of \(path.quoted): give it by "
        + "'\(passwordOption.name)' or \(variable)")
  }

  fileprivate static func differentPasswords(_ path: Path) -> Failure {
    .failed("the passwords for \(path.quoted) differ: try again")
  }

  fileprivate static func emptyPassword(_ path: Path) -> Failure {
    .failed("the password for \(path.quoted) is empty: give one, or use '--no-password'")
  }
}
