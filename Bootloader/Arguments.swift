import Posix

// In its own file: the compiler treats a target's only file as a script.

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
