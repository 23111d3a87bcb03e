import OnefoldCLI
import Posix

ProcessContext.reserveStandardDescriptors()
var arguments: [Path] = []
for index in 1..<max(1, Int(CommandLine.argc)) {
  if let argument = CommandLine.unsafeArgv[index] { arguments.append(Path(cString: argument)) }
}
ProcessContext.exit(OnefoldCLI.run(arguments))
