import AppSpec
import Posix

/// A spec is read, or refused with problems that can be shown: each in one line, at a line of the file.
public func checkSpec(_ bytes: [UInt8]) {
  let place = Workshop.shared
  let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
  for name in ["onefold.toml", "pyproject.toml"] {
    place.write(bytes, to: name)
    // The reader would also read the other file beside it.
    defer { place.remove(name) }
    do throws(SpecError) { _ = try readSpec(place(name)) } catch {
      precondition(!error.problems.isEmpty)
      for problem in error.problems {
        precondition((0...lines).contains(problem.place.line), problem.description)
        precondition(
          !problem.message.isEmpty && problem.message.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F },
          problem.description)
      }
    }
  }
}
