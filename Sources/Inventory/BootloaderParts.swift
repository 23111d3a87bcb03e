/// The bootloader as a component, with the libraries that are linked into it, their versions and their notices.
extension Component {
  /// The reference of the bootloader's component.
  public static let bootloaderReference = "onefold:bootloader"

  /// - Parameters:
  ///   - target: such as "x86_64-linux".
  ///   - sha256: of the bootloader's bytes, in hexadecimal.
  ///   - libraries: names and versions, as the bootloader lists them. Unknown names get no licence.
  public static func bootloader(
    target: String, sha256: String, libraries: [(name: String, version: String)]
  ) -> Component {
    Component(
      .application, reference: bootloaderReference, name: "onefold-bootloader",
      licenses: [License(.identifier, "Apache-2.0", text: text(PackageResources.apache_2_0_txt))],
      sha256: sha256, properties: [Property("onefold:target", target)],
      parts: libraries.map { linked($0.name, $0.version) })
  }

  private static func linked(_ name: String, _ version: String) -> Component {
    var component = Component(
      .library, reference: "\(bootloaderReference)/\(name)", name: name, version: version,
      packageURL: PackageURL.make("generic", name: name, version: version))
    switch name {
    case "musl":
      component.licenses = [License(.identifier, "MIT", text: text(PackageResources.musl_txt))]
      component.cpe = cpe("musl-libc", "musl", version)
    case "zstd":
      component.licenses = [
        License(.identifier, "BSD-3-Clause", text: text(PackageResources.zstd_txt))
      ]
      component.cpe = cpe("facebook", "zstandard", version)
    case "xz":
      let text = text(PackageResources.xz_txt)
      let isKnown = !version.isEmpty && !isOlder(version, than: (5, 6))
      component.licenses = [
        isKnown
          ? License(.identifier, "0BSD", text: text) : License(.name, "Public domain", text: text)
      ]
      component.cpe = cpe("tukaani", "xz", version)
    case "openssl":
      let id = isOlder(version, than: (3, 0)) ? "OpenSSL" : "Apache-2.0"
      component.licenses = [License(.identifier, id, text: text(PackageResources.openssl_txt))]
      component.cpe = cpe("openssl", "openssl", version)
    case "swift":
      component.licenses = [License(.expression, "Apache-2.0 WITH Swift-exception")]
    default: break
    }
    return component
  }

  private static func isOlder(_ version: String, than other: (Int, Int)) -> Bool {
    let parts = version.split(separator: ".").map { Int($0.prefix { $0.isNumber }) ?? 0 }
    guard parts.count >= 2 else { return false }
    return (parts[0], parts[1]) < other
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// A name of CPE 2.3 for an application; empty without a version.
  public static func cpe(_ vendor: String, _ product: String, _ version: String) -> String {
    let isPlain = version.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
    }
    guard !version.isEmpty, isPlain else { return "" }
    return "cpe:2.3:a:\(vendor):\(product):\(version):*:*:*:*:*:*:*"
  }
}
