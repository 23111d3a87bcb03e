import AppSpec
import Posix
import Reporting
import TestSupport
import Testing

/// A wrong spec, and all its messages.
struct BadSpec: Sendable, CustomTestStringConvertible {
  var spec: String
  var messages: [String]

  init(_ spec: String, _ messages: String...) {
    self.spec = spec
    self.messages = messages
  }

  /// `spec` after the lines that every spec needs. In `messages`, line 1 is the first of `spec`.
  static func rest(_ spec: String, _ messages: String...) -> BadSpec {
    let needed = [
      ("app", "app.name = 'notes'\n"), ("python", "python.version = '3.11'\n"),
      ("launch", "launch.module = 'notes'\n"),
    ].filter { !spec.contains("[\($0.0)]") }
    var result = BadSpec(needed.map(\.1).joined() + spec)
    result.messages = messages.map { shifted($0, by: needed.count) }
    return result
  }

  /// Adds `count` to the line of "onefold.toml:1: ...".
  private static func shifted(_ message: String, by count: Int) -> String {
    let parts = message.split(separator: ":", maxSplits: 2)
    guard parts.count == 3, let line = Int(parts[1]) else { return message }
    return "\(parts[0]):\(line + count):\(parts[2])"
  }

  var testDescription: String { messages.first ?? spec }
}

private let native = Target.native.name
private let digits = String(repeating: "0123456789abcdef", count: 4)

@Suite struct BadSpecTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("requirements.txt", "")
    try directory.write("server.py", "")
    try directory.write("python.tar.gz", "")
    try directory.write("data/file", "")
    try directory.write("package/pyproject.toml", "[project]\nname = \"My.Notes\"\n")
    try directory.write("VERSION", "\n")
    try directory.write("long", String(repeating: "1", count: 129))
  }

  /// `Snapshots/bad-specs.json` has all wrong specs, each a list of the spec and its messages, for the test of the
  /// JSON Schema. NATIVE stands for this machine's target.
  @Test func theSnapshotHasEverySpec() throws {
    let all = [
      Self.keysAndTypesSpecs,
      Self.applicationsSpecs,
      Self.interpretersAndDistributionsSpecs,
      Self.dataAndLaunchSpecs,
      Self.testsAndOutputSpecs,
      Self.policySpecs,
    ].joined()
    let rows = all.map { bad in
      JSON.array(([bad.spec] + bad.messages).map { .string($0.replacing(native, with: "NATIVE")) })
    }
    let text = JSON.array(rows).encoded
    #expect(try text == Repository.snapshot("Tests/AppSpec/Snapshots/bad-specs.json", text))
  }

  private func check(_ bad: BadSpec) throws {
    #expect(try directory.problems(bad.spec) == bad.messages)
  }

  // MARK: Keys and types

  private static let keysAndTypesSpecs: [BadSpec] = [
    .rest("[ap]", "onefold.toml:1: unknown table 'ap'; did you mean 'app'?"),
    .rest(
      "[archive]\nlevle = 3",
      "onefold.toml:2: unknown key 'archive.levle'; did you mean 'archive.level'?"),
    .rest(
      "[prune]\nstatic_libraries = true",
      "onefold.toml:2: unknown key 'prune.static_libraries'; did you mean 'prune.static-libraries'?"
    ),
    .rest(
      "[output]\nrequirements = []",
      "onefold.toml:2: unknown key 'output.requirements'; did you mean 'dependencies.requirements'?"
    ),
    .rest(
      "[smoke.http]\narguments = ['{port}']\ntimeout = 3",
      "onefold.toml:3: unknown key 'smoke.http.timeout'; did you mean 'smoke.timeout'?"),
    .rest("module = 'x'", "onefold.toml:1: unknown key 'module'; did you mean 'launch.module'?"),
    .rest(
      "[output]\nsomething = 1",
      "onefold.toml:2: unknown key 'output.something'; valid are file, target, sidecar"),
    .rest("[smoke.htp]", "onefold.toml:1: unknown table 'smoke.htp'; did you mean 'smoke.http'?"),
    .rest(
      "[\"a\\u001b\"]",
      "onefold.toml:1: unknown table 'a\\x1b'; did you mean 'app'?"),
    .rest(
      "[completely-different]",
      "onefold.toml:1: unknown table 'completely-different'; valid are app, python, dependencies, prune, "
        + "data, launch, commands, smoke, archive, output, policy"),
    .rest(
      "[archive]\ncodec = 1",
      "onefold.toml:2: 'archive.codec' must be 'zstd', 'xz' or 'store', not a whole number"),
    .rest(
      "[archive]\ncodec = \"zst\"",
      "onefold.toml:2: 'archive.codec' must be 'zstd', 'xz' or 'store', not 'zst'; did you mean 'zstd'?"
    ),
    .rest(
      "[output]\nfile = 1",
      "onefold.toml:2: 'output.file' must be text, not a whole number; put it in quotes"),
    .rest(
      "[output]\nfile = 1979-05-27",
      "onefold.toml:2: 'output.file' must be text, not a date or time; put it in quotes"),
    .rest("[output]\nfile = {}", "onefold.toml:2: 'output.file' must be text, not a table"),
    .rest(
      "[output]\nfile = \"a\\u0000b\"", "onefold.toml:2: 'output.file' holds a NUL character"),
    .rest(
      "[output]\nsidecar = 1",
      "onefold.toml:2: 'output.sidecar' must be true or false, not a whole number"),
    .rest(
      "[output]\nsidecar = 'true'",
      "onefold.toml:2: 'output.sidecar' must be true or false, not text; leave out the quotes"),
    .rest(
      "[smoke]\ntimeout = 1.5",
      "onefold.toml:2: 'smoke.timeout' must be a whole number, not a fraction"),
    .rest(
      "[smoke]\ntimeout = '9'",
      "onefold.toml:2: 'smoke.timeout' must be a whole number, not text; leave out the quotes"),
    .rest("[smoke]\ntimeout = 0", "onefold.toml:2: 'smoke.timeout' must be 1 to 3600, not 0"),
    .rest(
      "[smoke]\ntimeout = 3601", "onefold.toml:2: 'smoke.timeout' must be 1 to 3600, not 3601"),
    .rest(
      "[smoke]\ntimeout = -9223372036854775808",
      "onefold.toml:2: 'smoke.timeout' must be 1 to 3600, not -9223372036854775808"),
    .rest(
      "[dependencies]\nrequirements = 'requirements.txt'",
      "onefold.toml:2: 'dependencies.requirements' must be an array of texts, not text; put it in square brackets"
    ),
    .rest(
      "[smoke]\nskip-imports = [\n'a',\n3]",
      "onefold.toml:4: item 2 of 'smoke.skip-imports' must be text, not a whole number; put it in quotes"
    ),
    .rest(
      "[smoke.http]\narguments = ['{port}']\nenvironment = { A = 1 }",
      "onefold.toml:3: 'smoke.http.environment.A' must be text, not a whole number; put it in quotes"
    ),
    .rest(
      "[smoke.http]\narguments = ['{port}']\nenvironment = ['A=1']",
      "onefold.toml:3: 'smoke.http.environment' must be a table of texts, not an array"),
    .rest("[[archive]]", "onefold.toml:1: there is only one 'archive': write [archive]"),
    .rest(
      "[data]\nsource = 'data'", "onefold.toml:1: there may be several of 'data': write [[data]]"),
    .rest("data = 3", "onefold.toml:1: 'data' must be a table, [[data]], not a whole number"),
    .rest("data = [3]", "onefold.toml:1: 'data' must hold tables, not a whole number"),
    .rest("[[data]]\ntarget = 'x'", "onefold.toml:1: 'data.source' is missing"),
    .rest(
      "[archive]\nmax-size = 0",
      "onefold.toml:2: 'archive.max-size' must be bytes, 1 at least, or a text such as \"400 MB\" or \"1.5 GiB\", not 0"
    ),
    .rest(
      "[archive]\nmax-size = '4 parsecs'",
      "onefold.toml:2: 'archive.max-size' must be bytes, 1 at least, or a text such as \"400 MB\" or \"1.5 GiB\", not '4 parsecs'"
    ),
    .rest(
      "[archive]\nmax-size = true",
      "onefold.toml:2: 'archive.max-size' must be a whole number or text, not true or false"),
  ]

  @Test(arguments: keysAndTypesSpecs)
  func keysAndTypes(_ bad: BadSpec) throws { try check(bad) }

  // MARK: [app]

  private static let applicationsSpecs: [BadSpec] = [
    .rest(
      "[app]",
      "onefold.toml:1: 'app.name' is missing, and no pyproject.toml beside the spec has a name"),
    .rest(
      "[app]\nname = 'my notes'",
      "onefold.toml:2: 'app.name' must be 1 to 64 of A-Z a-z 0-9 . _ + -, not beginning with '.' or '-', "
        + "not 'my notes'"),
    .rest(
      "[app]\nname = ''",
      "onefold.toml:2: 'app.name' must be 1 to 64 of A-Z a-z 0-9 . _ + -, not beginning with '.' or '-', not ''"
    ),
    .rest(
      "[app]\nname = 'n'\nversion = 1.0",
      "onefold.toml:3: 'app.version' must be text or a table, not a fraction; put it in quotes"),
    .rest(
      "[app]\nname = 'n'\nversion = \"1\\n\"",
      "onefold.toml:3: the version '1\\x0a' must be at most 128 bytes without control characters"),
    .rest(
      "[app]\nname = 'n'\nversion = { file = 'long' }",
      "onefold.toml:3: the version '\(String(repeating: "1", count: 60))'... must be at most 128 bytes without "
        + "control characters"),
    .rest(
      "[app]\nname = 'n'\nversion = {}",
      "onefold.toml:3: one of 'app.version.file', 'app.version.project' or 'app.version.git' is needed"
    ),
    .rest(
      "[app]\nname = 'n'\nversion = { git = true, file = 'VERSION' }",
      "onefold.toml:3: 'app.version.file' and 'app.version.git' exclude each other"),
    .rest(
      "[app]\nname = 'n'\nversion = { git = false }",
      "onefold.toml:3: 'app.version.git' must be true; leave it out otherwise"),
    .rest(
      "[app]\nname = 'n'\n[app.version]\nfiel = 'VERSION'",
      "onefold.toml:3: one of 'app.version.file', 'app.version.project' or 'app.version.git' is needed",
      "onefold.toml:4: unknown key 'app.version.fiel'; did you mean 'app.version.file'?"),
    .rest(
      "[app]\nname = 'n'\nversion = { file = 'VERSION' }",
      "onefold.toml:3: the first line of 'VERSION' is empty"),
    .rest(
      "[app]\nname = 'n'\nversion = { file = 'VERSIN' }",
      "onefold.toml:3: the version's file 'VERSIN' does not exist"),
    .rest(
      "[app]\nname = 'n'\nversion = { file = '' }",
      "onefold.toml:3: 'app.version.file' is empty"),
    .rest(
      "[app]\nname = 'n'\nversion = { project = 'data' }",
      "onefold.toml:3: there is no 'data/pyproject.toml', which should tell the version"),
    .rest(
      "[app]\nname = 'n'\nversion = { project = 'package' }",
      "onefold.toml:3: there is no 'project.version' in 'package/pyproject.toml': give 'app.version' as text, "
        + "{ file = \"VERSION\" } or { git = true }"),
  ]

  @Test(arguments: applicationsSpecs)
  func applications(_ bad: BadSpec) throws { try check(bad) }

  // MARK: [python] and [dependencies]

  private static let interpretersAndDistributionsSpecs: [BadSpec] = [
    BadSpec(
      "[app]\nname = 'n'\n[launch]\nmodule = 'n'",
      "onefold.toml: there is no table [python]: give the interpreter's 'version', 'prefix' or 'archive'"
    ),
    BadSpec(
      "[app]\nname = 'n'\n[launch]\nexecutable = 'n'\n[dependencies]\n",
      "onefold.toml: there is no table [python]: give the interpreter's 'version', 'prefix' or 'archive'"
    ),
    .rest(
      "[python]\nsystem-libraries = ['lib/x.so']",
      "onefold.toml:1: one of 'python.version', 'python.prefix' or 'python.archive' is needed",
      "onefold.toml:2: 'python.system-libraries' holds names such as libGL.so.1, not 'lib/x.so'"),
    .rest(
      "[python]\nversion = '3.11'\nsystem-libraries = ['libc.so.1']\nlibraries = ['pango',\n 'libc.so.1', 'no/lib.so']",
      "onefold.toml:4: 'python.libraries' holds names such as libpango-1.0.so.0, and paths of libraries, not 'pango'",
      "onefold.toml:5: 'python.libraries' and 'python.system-libraries' exclude each other for 'libc.so.1'",
      "onefold.toml:5: 'python.libraries': 'no/lib.so' does not exist; paths start at the spec's directory"
    ),
    .rest(
      "[python]\nversion = 3.10",
      "onefold.toml:2: 'python.version' must be text, not a fraction; put it in quotes"),
    .rest(
      "[python]\nversion = '>=3.10'",
      "onefold.toml:2: 'python.version' must be such as 3.11 or 3.11.7, not '>=3.10'"),
    .rest(
      "[python]\nprefix = 'data'\narchive = 'python.tar.gz'",
      "onefold.toml:3: 'python.prefix' and 'python.archive' exclude each other"),
    .rest(
      "[python]\nprefix = '~/python'",
      "onefold.toml:2: 'python.prefix': '~/python' does not exist ('~' is not replaced); paths start at the "
        + "spec's directory"),
    .rest(
      "[python]\nversion = '3.11'\n[python.\(native)]\nsha256 = '\(digits)'",
      "onefold.toml:3: one of 'python.\(native).prefix' and 'python.\(native).archive' is needed",
      "onefold.toml:4: 'python.\(native).sha256' is the hash of 'python.\(native).archive', which is missing"
    ),
    .rest(
      "[python]\nversion = '3.11'\n[python.x86_64-linux]\n[python.aarch64-linux]",
      "onefold.toml:3: one of 'python.x86_64-linux.prefix' and 'python.x86_64-linux.archive' is needed",
      "onefold.toml:4: one of 'python.aarch64-linux.prefix' and 'python.aarch64-linux.archive' is needed"
    ),
    .rest(
      "[python]\nversion = '3.11'\n[python.\(native)]\nprefix = 'data'\narchive = 'python.zip'",
      "onefold.toml:5: 'python.\(native).prefix' and 'python.\(native).archive' exclude each other",
      "onefold.toml:5: 'python.\(native).archive' must end with .tar.gz, .tar.zst, .tar.xz or .tar, not "
        + "'python.zip'"),
    .rest(
      "[python]\nversion = '3.11'\n[python.aarch46-linux]\nprefix = 'data'",
      "onefold.toml:3: unknown table 'python.aarch46-linux'; did you mean 'python.aarch64-linux'?"
    ),
    .rest(
      "[output]\ntarget = 'aarch46-linux'",
      "onefold.toml:2: 'output.target': unknown target 'aarch46-linux'; did you mean 'aarch64-linux'?"
    ),
    .rest(
      "[prune]\nsources = 'drop'\nbyte-code = 'drop'",
      "onefold.toml:3: 'prune.sources' and 'prune.byte-code' can't both be \"drop\": nothing would be left to run"
    ),
    .rest(
      "[python]\narchive = 'python.zip'",
      "onefold.toml:2: 'python.archive' must end with .tar.gz, .tar.zst, .tar.xz or .tar, not 'python.zip'"
    ),
    .rest(
      "[python]\narchive = 'pyton.tar.gz'",
      "onefold.toml:2: 'python.archive': 'pyton.tar.gz' does not exist; did you mean 'python.tar.gz'?; paths "
        + "start at the spec's directory"),
    .rest(
      "[python]\nprefix = 'data'\nsha256 = '\(digits)'",
      "onefold.toml:3: 'python.sha256' is the hash of 'python.archive', which is missing"),
    .rest(
      "[python]\narchive = 'python.tar.gz'\nsha256 = 'abc'",
      "onefold.toml:3: 'python.sha256' must be 64 hexadecimal digits, not 'abc'"),
    .rest(
      "[dependencies]\nrequirements = ['requirements.txt', 'data']",
      "onefold.toml:2: 'dependencies.requirements': 'data' must be a file"),
    .rest(
      "[dependencies]\nrequirements = ['requirement.txt', '']",
      "onefold.toml:2: item 2 of 'dependencies.requirements' is empty",
      "onefold.toml:2: 'dependencies.requirements': 'requirement.txt' does not exist; did you mean "
        + "'requirements.txt'?; paths start at the spec's directory"),
    .rest(
      "[dependencies]\nproject = 'data'",
      "onefold.toml:2: 'dependencies.project': there is no pyproject.toml and no setup.py in 'data'"
    ),
    .rest(
      "[dependencies]\nproject = 'server.py'",
      "onefold.toml:2: 'dependencies.project' must be a directory or a wheel (.whl), not 'server.py'"
    ),
    .rest(
      "[dependencies]\nlock = 'uv.lokc'\ngroups = ['dev', 'a b', 'Dev']",
      "onefold.toml:2: 'dependencies.lock': 'uv.lokc' does not exist; paths start at the spec's directory",
      "onefold.toml:3: 'dependencies.groups' holds names of groups alone, not 'a b'",
      "onefold.toml:3: 'Dev' is in 'dependencies.groups' twice, first in line 6"),
    .rest(
      "[dependencies]\nextras = ['web']",
      "onefold.toml:2: 'dependencies.extras' are those of 'dependencies.project' or 'dependencies.lock', which are missing"
    ),
    .rest(
      "[dependencies]\nexclude = ['torch==2.0', 'a b']",
      "onefold.toml:2: 'dependencies.exclude' holds names of distributions alone, not 'torch==2.0'",
      "onefold.toml:2: 'dependencies.exclude' holds names of distributions alone, not 'a b'"),
    .rest(
      "[dependencies]\nexclude = [\n'My_Torch',\n'my.torch']",
      "onefold.toml:4: 'my.torch' is in 'dependencies.exclude' twice, first in line 6"),
    .rest(
      "[dependencies]\nproject = 'package'\nexclude = ['my-notes']",
      "onefold.toml:3: 'my-notes' is excluded, but it is 'dependencies.project' itself"),
    .rest(
      "[dependencies]\ninstaller = 'conda'",
      "onefold.toml:2: 'dependencies.installer' must be 'auto', 'pip' or 'uv', not 'conda'"),
    .rest(
      "[prune]\nremove = ['/usr/*', 'a/../b']\nkeep = ['']",
      "onefold.toml:2: 'prune.remove' holds patterns of relative paths, not '/usr/*'",
      "onefold.toml:2: 'prune.remove' holds patterns of relative paths, not 'a/../b'",
      "onefold.toml:3: item 1 of 'prune.keep' is empty"),
  ]

  @Test(arguments: interpretersAndDistributionsSpecs)
  func interpretersAndDistributions(_ bad: BadSpec) throws { try check(bad) }

  // MARK: [[data]], [launch]

  private static let dataAndLaunchSpecs: [BadSpec] = [
    .rest(
      "[[data]]\nsource = 'dat'",
      "onefold.toml:2: 'data.source': 'dat' does not exist; did you mean 'data'?; paths start at the spec's "
        + "directory"),
    .rest(
      "[[data]]\nsource = 'data'\ntarget = '../x'",
      "onefold.toml:3: 'data.target' must be a path below the root of data files, not '../x'"),
    .rest(
      "[[data]]\nsource = '..'",
      "onefold.toml:2: 'data.target' must be a path below the root of data files, not '..'"),
    BadSpec(
      "[app]\nname = 'n'\n[python]\nversion = '3.11'",
      "onefold.toml: there is no table [launch]: give the 'module', 'function', 'script' or 'executable' to "
        + "start"),
    .rest(
      "[launch]\narguments = ['x']",
      "onefold.toml:1: one of 'launch.module', 'launch.function', 'launch.script' or 'launch.executable' is needed"
    ),
    .rest(
      "[launch]\nscript = 'server.py'\nmodule = 'server'",
      "onefold.toml:2: 'launch.module' and 'launch.script' exclude each other"),
    .rest(
      "[launch]\nmodule = 'a-b'",
      "onefold.toml:2: 'launch.module' must be a module such as package.module, not 'a-b'"),
    .rest(
      "[launch]\nmodule = 'main:app'",
      "onefold.toml:2: 'launch.module' must be a module such as package.module, not 'main:app'"),
    .rest(
      "[launch]\nfunction = 'main'",
      "onefold.toml:2: 'launch.function' must be such as package.module:function, not 'main'"),
    .rest(
      "[launch]\nfunction = 'main:f:g'",
      "onefold.toml:2: 'launch.function' must be such as package.module:function, not 'main:f:g'"),
    .rest(
      "[launch]\nfunction = 'a..b:f'",
      "onefold.toml:2: 'launch.function' must be such as package.module:function, not 'a..b:f'"),
    .rest(
      "[launch]\nscript = 'serve.py'",
      "onefold.toml:2: 'launch.script': 'serve.py' does not exist; did you mean 'server.py'?; paths start at the "
        + "spec's directory"),
    .rest(
      "[launch]\nscript = '../server.py'",
      "onefold.toml:2: 'launch.script' must be a path below the spec's directory, not '../server.py'"
    ),
    .rest("[launch]\nscript = 'data'", "onefold.toml:2: 'launch.script': 'data' must be a file"),
    .rest(
      "[launch]\nexecutable = '/bin/sh'",
      "onefold.toml:2: 'launch.executable' must be a path below the tree, not '/bin/sh'"),
    .rest(
      "[launch]\nmodule = 'n'\nunset = ['A=B', '']\nenvironment = { '' = 'x', 'a=b' = 'x', C = 'x' }",
      "onefold.toml:3: 'launch.unset' holds names of variables, not 'A=B'",
      "onefold.toml:3: 'launch.unset' holds names of variables, not ''",
      "onefold.toml:4: '' in 'launch.environment' can't be the name of a variable",
      "onefold.toml:4: 'a=b' in 'launch.environment' can't be the name of a variable"),
    .rest(
      "[launch]\nmodule = 'n'\nenvironment = { A = '{env:B}{{env:C}}', B = '{env:A-B}', C = '{{env:D' }",
      "onefold.toml:3: 'launch.environment' has no placeholder '{env:A-B': write {env:NAME} with the name of a variable",
      "onefold.toml:3: 'launch.environment' has no placeholder '{env:D': write {env:NAME} with the name of a variable"
    ),
    .rest(
      "[launch]\nmodule = 'n'\ncheck = 'dir'\nkeep = 36501\ndie-with-parent = 'trem'",
      "onefold.toml:3: 'launch.check' must be 'seal', 'dirs', 'files' or 'full', not 'dir'; did you mean 'dirs'?",
      "onefold.toml:4: 'launch.keep' must be 0 to 36500, not 36501",
      "onefold.toml:5: 'launch.die-with-parent' must be true, false, 'kill' or 'term', not 'trem'; did you mean "
        + "'term'?"),
    .rest(
      "[launch]\nmodule = 'n'\ncheck = true\nkeep = '30'\ndie-with-parent = 'true'",
      "onefold.toml:3: 'launch.check' must be 'seal', 'dirs', 'files' or 'full', not true or false",
      "onefold.toml:4: 'launch.keep' must be a whole number, not text; leave out the quotes",
      "onefold.toml:5: 'launch.die-with-parent' must be true, false, 'kill' or 'term', not 'true'; leave out the "
        + "quotes"),
    .rest(
      "[launch]\nmodule = 'n'\nkeep = -1\ndie-with-parent = 9",
      "onefold.toml:3: 'launch.keep' must be 0 to 36500, not -1",
      "onefold.toml:4: 'launch.die-with-parent' must be true, false, 'kill' or 'term', not a whole number"
    ),
    .rest(
      "[launch]\nmodule = 'n'\ndie_with_parent = true",
      "onefold.toml:3: unknown key 'launch.die_with_parent'; did you mean 'launch.die-with-parent'?"
    ),
    .rest(
      "[prune]\ncheck = 'dirs'",
      "onefold.toml:2: unknown key 'prune.check'; did you mean 'launch.check'?"),
    .rest(
      "[launch]\nmodule = 'n'\npass-variables = ['A=B']",
      "onefold.toml:3: 'launch.pass-variables' holds names of variables, not 'A=B'"),
    .rest(
      "[launch]\nmodule = 'n'\ninstance = 'one'\n[launch.listen]\nif-taken = 'wait'",
      "onefold.toml:3: 'launch.instance' must be 'single' or 'replace', not 'one'",
      "onefold.toml:4: 'launch.listen.address' is missing",
      "onefold.toml:5: 'launch.listen.if-taken' must be 'fail' or 'free', not 'wait'; did you mean 'fail'?"
    ),
    .rest(
      "[launch]\nmodule = 'n'\ninstance-key = '{env:A-B}'\nlisten = { address = 'example.org:80' }",
      "onefold.toml:3: 'launch.instance-key' has no placeholder '{env:A-B': write {env:NAME} with the name of a "
        + "variable",
      "onefold.toml:3: 'launch.instance-key' needs 'launch.instance'",
      "onefold.toml:4: 'launch.listen.address' can't be 'example.org:80': write PORT, ADDRESS:PORT, "
        + "[ADDRESS]:PORT or unix:/PATH, with a numeric address"),
    .rest(
      "[launch]\nmodule = 'n'\nlisten = { address = 'unix:/s', handover = 'port' }",
      "onefold.toml:3: 'launch.listen' can't use a port instead of a path: leave out 'if-taken' and 'handover'"
    ),
    .rest(
      "[launch]\nmodule = 'n'\nlisten = { address = 'unix:/\(String(repeating: "s", count: 107))' }",
      "onefold.toml:3: 'launch.listen.address' can't be 'unix:/\(String(repeating: "s", count: 54))'...: a path has "
        + "107 bytes at most"),
    .rest(
      "[launch]\nmodule = 'n'\n[commands]\nmigrate = 'n'",
      "onefold.toml:4: 'commands' must hold tables, [commands.NAME], not text"),
    .rest(
      "[launch]\nmodule = 'n'\n[commands.'a b']\nmodule = 'n'\n[commands.c]\nfunction = 'f'\nenvironment = {}",
      "onefold.toml:3: a command can't have the name 'a b': use 1 to 64 of A-Z a-z 0-9 . _ + -, not beginning "
        + "with '.' or '-'",
      "onefold.toml:6: 'commands.c.function' must be such as package.module:function, not 'f'",
      "onefold.toml:7: unknown table 'commands.environment'; did you mean 'launch.environment'?"),
  ]

  @Test(arguments: dataAndLaunchSpecs)
  func dataAndLaunch(_ bad: BadSpec) throws { try check(bad) }

  // MARK: [smoke], [archive], [output]

  private static let testsAndOutputSpecs: [BadSpec] = [
    .rest(
      "[smoke.http]\npath = '/'",
      "onefold.toml:1: 'smoke.http' must tell the server its port: put {port} into its 'arguments' or "
        + "'environment', or give the 'port' that it always takes, or a table [launch.listen]"),
    .rest(
      "[smoke.http]\npath = 'health'\narguments = ['{port}']",
      "onefold.toml:2: 'smoke.http.path' must begin with '/' and have no spaces, not 'health'"),
    .rest(
      "[smoke.http]\npath = '/a b'\nenvironment = { PORT = '{port}' }\nstatus = 600",
      "onefold.toml:2: 'smoke.http.path' must begin with '/' and have no spaces, not '/a b'",
      "onefold.toml:4: 'smoke.http.status' must be 100 to 599, not 600"),
    .rest(
      "[smoke]\nskip-imports = ['a-b']",
      "onefold.toml:2: 'smoke.skip-imports' holds names of modules, not 'a-b'"),
    .rest(
      "[[smoke.command]]\n[[smoke.command]]\nstatus = 256",
      "onefold.toml:3: 'smoke.command.status' must be 0 to 255, not 256"),
    .rest(
      "[archive]\nlevel = 0",
      "onefold.toml:2: 'archive.level' must be 1 to 22 with the codec 'zstd', not 0"),
    .rest("[archive]\nlevel = 23", "onefold.toml:2: 'archive.level' must be 0 to 22, not 23"),
    .rest(
      "[archive]\nlevel = 10\ncodec = 'xz'",
      "onefold.toml:2: 'archive.level' must be 0 to 9 with the codec 'xz', not 10"),
    .rest(
      "[archive]\nlevel = 1\ncodec = 'store'",
      "onefold.toml:2: 'archive.level' does not go with the codec 'store'"),
    .rest(
      "[archive]\nframe-size = 63",
      "onefold.toml:2: 'archive.frame-size' must be 64 to 16384, not 63"),
    .rest(
      "[output]\nfile = '{name}-{version}'",
      "onefold.toml:2: the file name '{name}-{version}' needs a version: give 'app.version'"),
    .rest(
      "[output]\nfile = '{nam}'",
      "onefold.toml:2: the file name '{nam}' has the unknown placeholder '{nam}'; valid are {name}, {version} and "
        + "{target}"),
  ]

  @Test(arguments: testsAndOutputSpecs)
  func testsAndOutput(_ bad: BadSpec) throws { try check(bad) }

  // MARK: [policy]

  private static let policySpecs: [BadSpec] = [
    .rest(
      "[policy]\ndeny-license = []",
      "onefold.toml:2: unknown key 'policy.deny-license'; did you mean 'policy.deny-licenses'?"),
    .rest(
      "[policy]\ndeny = 'urllib3<2.1'",
      "onefold.toml:2: 'policy.deny' must be an array of texts, not text; put it in square brackets"
    ),
    .rest(
      "[policy]\ndeny = [\n'a<1',\n'a[x]<1',\n'a<=', 3]",
      "onefold.toml:4: 'policy.deny' holds distributions and versions such as urllib3<2.1 (PEP 440), without "
        + "extras, markers and URLs, not 'a[x]<1'",
      "onefold.toml:5: item 4 of 'policy.deny' must be text, not a whole number; put it in quotes",
      "onefold.toml:5: 'policy.deny' holds distributions and versions such as urllib3<2.1 (PEP 440), without "
        + "extras, markers and URLs, not 'a<='"),
    .rest(
      "[policy]\ndeny-licenses = ['AGPL-4.0-*',\n'Apache-2.O',\n'GPL-3.0', 'GPLv3', 'GPL', 'Apache2', 'nonsense']",
      "onefold.toml:2: 'policy.deny-licenses': 'AGPL-4.0-*' is no licence of the SPDX list; did you mean "
        + "'AGPL-*'?",
      "onefold.toml:3: 'policy.deny-licenses': 'Apache-2.O' is no licence of the SPDX list; did you mean "
        + "'Apache-2.0'?",
      "onefold.toml:4: 'policy.deny-licenses': 'GPL-3.0' is an old name: write GPL-3.0-only, "
        + "GPL-3.0-or-later or, for both, GPL-3.0-*",
      "onefold.toml:4: 'policy.deny-licenses': 'GPLv3' is no licence of the SPDX list; did you mean "
        + "'GPL-3.0-only' or 'GPL-3.0-or-later'?",
      "onefold.toml:4: 'policy.deny-licenses': 'GPL' is no licence of the SPDX list; did you mean 'GPL-*'?",
      "onefold.toml:4: 'policy.deny-licenses': 'Apache2' is no licence of the SPDX list; did you mean "
        + "'Apache-2.0'?",
      "onefold.toml:4: 'policy.deny-licenses': 'nonsense' is no licence of the SPDX list"),
    .rest(
      "[policy]\ndeny-licenses = ['MIT OR ISC',\n'',\n'GPL WITH',\n'GPL-* WITH GCC-9', 'a_b']",
      "onefold.toml:2: 'policy.deny-licenses': 'MIT OR ISC' is an expression: give each licence as an item",
      "onefold.toml:3: 'policy.deny-licenses': '' names no licence",
      "onefold.toml:4: 'policy.deny-licenses': 'GPL WITH' is no licence of the SPDX list: write an identifier "
        + "such as GPL-3.0-only, or a pattern such as GPL-*",
      "onefold.toml:5: 'policy.deny-licenses': 'GPL-* WITH GCC-9' has no exception of the SPDX list after WITH",
      "onefold.toml:5: 'policy.deny-licenses': 'a_b' is no licence of the SPDX list: write an identifier such "
        + "as GPL-3.0-only, or a pattern such as GPL-*"),
    .rest(
      "[policy]\ndeny-licenses = ['GPL-2.0-with-classpath-exception']",
      "onefold.toml:2: 'policy.deny-licenses': 'GPL-2.0-with-classpath-exception' is an old name: write "
        + "GPL-2.0-only WITH Classpath-exception-2.0"),
    .rest(
      "[policy]\nrequire-hashes = 'true'",
      "onefold.toml:2: 'policy.require-hashes' must be true or false, not text; leave out the quotes"
    ),
    .rest(
      "[policy]\nmax-size = '4 parsecs'",
      "onefold.toml:2: 'policy.max-size' must be bytes, 1 at least, or a text such as \"400 MB\" or \"1.5 GiB\", "
        + "not '4 parsecs'"),
    .rest(
      "[policy]\nmax-glibc = 'new'",
      "onefold.toml:2: 'policy.max-glibc' must be such as 2.31, not 'new'"),
    .rest(
      "[policy]\nmax-update = '101%'",
      "onefold.toml:2: 'policy.max-update' must be 0% to 100%, with at most one decimal, not '101%'"
    ),
    .rest(
      "[policy]\nmax-update = 5",
      "onefold.toml:2: 'policy.max-update' must be text, not a whole number; put it in quotes"),
    .rest(
      "[archive]\nmax-size = 5\n[policy]\nmax-size = 5",
      "onefold.toml:4: 'policy.max-size' and 'archive.max-size' are the same limit: give one"),
    .rest(
      "[python]\nversion = '3.11'\nmax-glibc = '2.31'\n[policy]\nmax-glibc = '2.31'",
      "onefold.toml:5: 'policy.max-glibc' and 'python.max-glibc' are the same limit: give one"),
    .rest("policy = 3", "onefold.toml:1: 'policy' must be a table, [policy], not a whole number"),
  ]

  @Test(arguments: policySpecs)
  func policy(_ bad: BadSpec) throws { try check(bad) }

  // MARK: Several at once

  @Test func allErrorsAreReportedInTheOrderOfTheFile() throws {
    try check(
      BadSpec(
        """
        [output]
        sidecar = 3
        [launch]
        script = "disappeared"
        modul = "x"
        [app]
        name = "a b"
        version = { file = "none" }
        [[data]]
        source = "nothing"
        """,
        "onefold.toml:2: 'output.sidecar' must be true or false, not a whole number",
        "onefold.toml:4: 'launch.script': 'disappeared' does not exist; paths start at the spec's directory",
        "onefold.toml:5: unknown key 'launch.modul'; did you mean 'launch.module'?",
        "onefold.toml:7: 'app.name' must be 1 to 64 of A-Z a-z 0-9 . _ + -, not beginning with '.' or '-', not "
          + "'a b'",
        "onefold.toml:8: the version's file 'none' does not exist",
        "onefold.toml:10: 'data.source': 'nothing' does not exist; paths start at the spec's directory",
        "onefold.toml: there is no table [python]: give the interpreter's 'version', 'prefix' or 'archive'"
      ))
  }

  @Test func invalidTOMLIsOneError() throws {
    let problems = try directory.problems("[app]\nname = \n[lauch]\n")
    #expect(problems.count == 1)
    #expect(problems[0].hasPrefix("onefold.toml:2: not valid TOML (column "))
  }

  @Test func longValuesAreCut() throws {
    let problems = try directory.problems(
      "[app]\nname = '\(String(repeating: "x", count: 9000))'\n")
    for problem in problems { #expect(problem.utf8.count < 300) }
  }
}
