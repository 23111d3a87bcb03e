import BuildTools
import Testing

@testable import PythonStaging

@Suite struct PackageURLTests {
  private func url(_ format: SystemPackage.Format, _ version: String, release: String = "12")
    -> String
  {
    SystemPackage(
      format: format, system: "debian", release: release, name: "libz+", version: version,
      architecture: "x86_64", license: ""
    ).packageURL
  }

  @Test func theEpochIsPartOfADebianVersion() {
    #expect(url(.deb, "1:1.2-3") == "pkg:deb/debian/libz%2B@1:1.2-3?arch=x86_64&distro=debian-12")
    #expect(url(.deb, "1.2", release: "") == "pkg:deb/debian/libz%2B@1.2?arch=x86_64")
  }

  /// As the rpm 4.20 of Debian 13 gives it for a package with an epoch, and without one.
  @Test func theEpochOfAnRPMIsAQualifier() {
    #expect(
      url(.rpm, "2:1.2-3") == "pkg:rpm/debian/libz%2B@1.2-3?arch=x86_64&distro=debian-12&epoch=2")
    #expect(url(.rpm, "1.2-3") == "pkg:rpm/debian/libz%2B@1.2-3?arch=x86_64&distro=debian-12")
  }
}
