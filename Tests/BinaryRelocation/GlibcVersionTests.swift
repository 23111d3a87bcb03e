import BinaryRelocation
import PayloadFormat
import Testing

struct GlibcVersionTests {
  @Test(arguments: [
    ("GLIBC_2.17", GlibcVersion(2, 17)), ("GLIBC_2.2.5", GlibcVersion(2, 2)),
    ("GLIBC_ABI_DT_RELR", GlibcVersion(2, 36)), ("GLIBC_999.0", GlibcVersion(999, 0)),
  ])
  func symbolVersions(_ name: String, _ expected: GlibcVersion?) {
    #expect(GlibcVersion(symbolVersion: name) == expected)
  }

  @Test(arguments: [
    "GLIBC_PRIVATE", "GLIBCXX_3.4.11", "GLIBC_ABI_GNU2_TLS", "GLIBC_", "GLIBC_2", "GLIBC_2.",
    "GLIBC_.2",
    "GLIBC_2.1.2.3", "GLIBC_2.+1", "GLIBC_2.1a", "GLIBC_2.-1", "GLIBC_2.99999999999999999999",
    "OPENSSL_3.0.0", "", "glibc_2.17", "GLIBC_2.１",
  ])
  func otherVersions(_ name: String) {
    #expect(GlibcVersion(symbolVersion: name) == nil)
  }
}
