import Testing

@testable import PythonStaging

/// The output of `pip check` and `uv pip check`.
@Suite struct InstallerCheckTests {
  @Test(arguments: [
    "demo 1.0 requires other, which is not installed.",
    "demo 1.0 has requirement other>=2, but you have other 1.0.",
    "The package `demo` requires `other`, but it's not installed",
    "The package `demo` requires `other>=2`, but `1.0` is installed",
    "The package `demo` requires Python >=3.12, but `3.11.7` is installed",
  ])
  func aProblemIsUnderstood(_ line: String) {
    let isMissing = line.contains("not installed")
    let problem = RequirementProblem(kind: isMissing ? .missing : .conflict, text: line)
    #expect(requirementProblems(in: line + "\n") == [problem])
    #expect(
      requirementProblems(in: "WARNING: a remark\n\(line)\n\(line)\n") == [problem, problem])
  }

  @Test func uvCountsItsProblems() {
    let problem = "The package `demo` requires `other`, but it's not installed"
    let start = "Using Python 3.11.7 environment at: x\nChecked 2 packages in 1ms\n"
    #expect(
      requirementProblems(in: start + "Found 1 incompatibility\n\(problem)")
        == [RequirementProblem(kind: .missing, text: problem)])
    #expect(requirementProblems(in: start + "Found 2 incompatibilities\n\(problem)") == nil)
  }

  @Test(arguments: [
    "", "\n", "boom", "WARNING: only a remark", "demo 1.0 is not supported on this platform",
    "Traceback (most recent call last):", "Found 1 incompatibility",
    "demo 1.0 requires other, which is not installed.\nMemoryError",
    "The package `demo` was built for a different platform",
  ])
  func otherTextIsNotAProblem(_ text: String) { #expect(requirementProblems(in: text) == nil) }
}
