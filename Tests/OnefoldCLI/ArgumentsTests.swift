import Posix
import Testing
import TestSupport

@testable import OnefoldCLI

private let command = Command(
  name: "try", summary: "", discussion: "Tries.",
  arguments: [Argument("FILE", "a file"), Argument("DIR", "a directory")],
  options: [
    Option(name: "--output", short: "-o", value: "FILE", help: "where to"),
    Option(name: "--env", value: "NAME=VALUE", help: "a variable", repeats: true),
    Option(name: "--jobs", short: "-j", value: "N", help: "threads"),
    Option(name: "--quick", short: "-k", help: "a switch"),
  ],
  rest: Argument("ARGS...", "for the program"))

private let plain = Command(
  name: "plain", summary: "", discussion: "Does.", options: [Option(name: "--json", help: "JSON")])

@Suite struct ArgumentsTests {
  private func parse(_ arguments: [String], of command: Command = command) throws(Failure)
    -> Arguments
  {
    try Arguments(arguments.map { Path($0) }, of: command)
  }

  /// The reason why the arguments are refused.
  private func refusal(_ arguments: [String], of command: Command = command) -> String? {
    do throws(Failure) {
      _ = try parse(arguments, of: command)
      return nil
    } catch { return error.description.string }
  }

  // MARK: Accepted arguments

  @Test(
    arguments: [
      ["a", "b", "--output", "x"], ["a", "b", "--output=x"], ["a", "b", "-o", "x"],
      ["a", "b", "-ox"], ["-ox", "a", "b"], ["a", "--output", "x", "b"],
    ])
  func waysToGiveAValue(_ arguments: [String]) throws {
    let parsed = try parse(arguments)
    #expect(parsed.value("--output")?.string == "x")
    #expect(parsed.positional.map(\.string) == ["a", "b"])
    #expect(parsed.has("--output") && !parsed.has("--jobs"))
    #expect(!parsed.wantsHelp)
  }

  @Test func valuesThatLookLikeOptions() throws {
    #expect(try parse(["a", "b", "-o", "-k"]).value("--output")?.string == "-k")
    #expect(try parse(["a", "b", "--output", "--"]).value("--output")?.string == "--")
    #expect(try parse(["a", "b", "--output=--x=y"]).value("--output")?.string == "--x=y")
    #expect(try parse(["a", "b", "--output="]).value("--output")?.isEmpty == true)
  }

  @Test func numbersAfterAShortName() throws {
    #expect(try parse(["a", "b", "-j4"]).number("--jobs", in: 1...8) == 4)
    #expect(try parse(["a", "b", "-j", "4"]).number("--jobs", in: 1...8) == 4)
    #expect(try parse(["a", "b", "--jobs=4"]).number("--jobs", in: 1...8) == 4)
    #expect(try parse(["a", "b"]).number("--jobs", in: 1...8) == nil)
  }

  @Test func repeatedOptionsKeepTheirOrder() throws {
    let parsed = try parse(["--env", "A=1", "a", "--env=B=2", "b", "--env", "A=3"])
    #expect(parsed.all("--env").map(\.string) == ["A=1", "B=2", "A=3"])
    #expect(parsed.all("--output").isEmpty)
  }

  @Test func argumentsAfterTwoDashesAreNotParsed() throws {
    let parsed = try parse(["a", "b", "--", "-o", "--help", "--", "", "c"])
    #expect(parsed.rest.map(\.string) == ["-o", "--help", "--", "", "c"])
    #expect(!parsed.has("--output") && !parsed.wantsHelp)
    #expect(try parse(["a", "b", "--"]).rest.isEmpty)
  }

  @Test func aDashAndNothingAreArguments() throws {
    #expect(try parse(["-", ""]).positional.map(\.string) == ["-", ""])
  }

  @Test(arguments: [["--help"], ["-h"], ["a", "-h", "--bogus"], ["--output", "x", "--help"]])
  func helpNeedsNoArguments(_ arguments: [String]) throws {
    #expect(try parse(arguments).wantsHelp)
  }

  @Test func valuesAreBytes() throws {
    let bytes: [UInt8] = [0x2F, 0xFF, 0xFE, 0x3D, 0x80]
    let inline = Path([UInt8]("--output=".utf8) + bytes)
    let short = Path([UInt8]("-o".utf8) + bytes)
    for arguments in [
      [Path(bytes), Path("b"), Path("--output"), Path(bytes)], [Path(bytes), Path("b"), inline],
      [Path(bytes), short, Path("b")],
    ] {
      let parsed = try Arguments(arguments, of: command)
      #expect(parsed.value("--output")?.elementsEqual(Path(bytes)) == true)
      #expect(parsed.positional[0].elementsEqual(Path(bytes)))
    }
    let rest = try Arguments([Path("a"), Path("b"), Path("--"), Path(bytes)], of: command).rest
    #expect(rest[0].elementsEqual(Path(bytes)))
  }

  // MARK: Refused arguments

  @Test(
    arguments: [
      (["a"], "missing argument DIR"), ([], "missing argument FILE"),
      (["a", "b", "c"], "unexpected argument 'c'"),
      (["a", "b", "-o"], "option '--output' needs a value: FILE"),
      (["a", "b", "--output"], "option '--output' needs a value: FILE"),
      (["a", "b", "-o", "x", "--output=y"], "option '--output' is given twice"),
      (["a", "b", "-k", "--quick"], "option '--quick' is given twice"),
      (["a", "b", "--quick=yes"], "option '--quick' takes no value"),
      (["a", "b", "--quik"], "unknown option '--quik'; did you mean '--quick'?"),
      (["a", "b", "--quik=1"], "unknown option '--quik'; did you mean '--quick'?"),
      (["a", "b", "--outptu", "x"], "unknown option '--outptu'; did you mean '--output'?"),
      (["a", "b", "--hepl"], "unknown option '--hepl'; did you mean '--help'?"),
      (["a", "b", "--something-else"], "unknown option '--something-else'"),
      (["a", "b", "-kx"], "unknown option '-kx'; did you mean '-o'?"),
      (["a", "b", "---"], "unknown option '---'; did you mean '-o'?"),
      (["a", "b", "--\u{1B}[2J----"], "unknown option '--\\x1b[2J----'"),
      (["a", "b", "\u{9B}2J"], "unexpected argument"),
    ] as [([String], String)])
  func refusals(_ arguments: [String], _ message: String) throws {
    let found = try #require(refusal(arguments) ?? refusal(arguments + ["more"]))
    #expect(found.hasPrefix(message.prefix { $0 != ";" }))
    #expect(found.contains("did you mean") == message.contains("did you mean"))
    if !message.contains("'-o'?") && !message.hasSuffix("argument") { #expect(found == message) }
  }

  @Test func anArgumentThatMayBeLeftOut() throws {
    var command = plain
    command.optionalArgument = Argument("DIR", "a directory")
    #expect(try parse([], of: command).positional.isEmpty)
    #expect(try parse(["a"], of: command).positional.map(\.string) == ["a"])
    #expect(refusal(["a", "b"], of: command) == "unexpected argument 'b'")
    #expect(command.help.contains("USAGE: onefold plain [DIR] [options]\n\nARGUMENTS:\n  DIR "))
  }

  @Test func twoDashesWhereNothingMayFollow() {
    #expect(refusal(["--"], of: plain) == "unexpected '--'")
    #expect(refusal(["x"], of: plain) == "unexpected argument 'x'")
  }

  @Test(arguments: ["0", "9", "", "x", "4x", " 4", "4.0", "0x4", "-1", "99999999999999999999"])
  func numbersOutOfRange(_ text: String) throws {
    let parsed = try parse(["a", "b", "--jobs=\(text)"])
    #expect(
      throws: Failure.usage("option '--jobs' needs a number from 1 to 8, not '\(text)'")
    ) { try parsed.number("--jobs", in: 1...8) }
  }

  @Test func numbersAtTheirBounds() throws {
    #expect(try parse(["a", "b", "-j1"]).number("--jobs", in: 1...8) == 1)
    #expect(try parse(["a", "b", "-j8"]).number("--jobs", in: 1...8) == 8)
  }
}
