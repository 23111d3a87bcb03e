import Launcher

/// The program's entry point. In Embedded Swift it needs a C name; SwiftPM links `main` to it.
@c(Bootloader_main)
public func main(
  argc: Int32, argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> Int32 {
  start(arguments(argc, argv))
}
