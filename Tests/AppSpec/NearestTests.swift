import AppSpec
import Testing

@Suite struct NearestTests {
  @Test(
    arguments: [
      ("inspct", "inspect"), ("pakc", "pack"), ("verfy", "verify"), ("extarct", "extract"),
      ("INSPECT", nil), ("bench", nil), ("", nil), ("packaging", nil), ("ver", nil),
    ] as [(String, String?)])
  func nearestNames(_ text: String, _ expected: String?) {
    let names = ["pack", "inspect", "verify", "extract"]
    let found = nearest(to: text, in: names)
    #expect(found == expected)
  }

  @Test func thereIsNothingNearNothing() {
    #expect(nearest(to: "x", in: []) == nil)
  }
}
