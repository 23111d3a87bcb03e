import Posix

// In a file of its own, because the compiler takes the only file of a target for a script.

/// The arguments of the program, with argument 0.
func arguments(
  _ argc: Int32, _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> [Path] {
  var arguments: [Path] = []
  for index in 0..<Int(argc) {
    if let argument = argv[index] { arguments.append(Path(cString: argument)) }
  }
  return arguments
}
