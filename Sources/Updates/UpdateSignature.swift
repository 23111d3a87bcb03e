import PayloadFormat
import PayloadReader
import Posix
import Signatures

/// What the new file must fulfil if the caller gave a public key: who signed it, and that it replaces nothing newer.
struct UpdateSignature {
  var key: PublicKey
  var allowsOlder: Bool
  /// Of the new file.
  var found: FoundSignature

  /// Checks the signature of a complete file.
  ///
  /// - Throws: why it is wrong, "read", or `interrupted`.
  func verify(_ payload: Payload, progress: FetchProgress) throws(Failure) {
    try found.verify(payload, by: key) { progress("checking the signature", $0, $1) }
  }

  /// Checks that `new`, which messages call `source`, may replace `current`.
  ///
  /// Versions decide. If they are the same, or have no order, the times of both signatures do, if `current` has its
  /// signature appended.
  ///
  /// - Throws: that it is another application or older, or that nothing tells.
  func require(_ new: Payload, replaces current: Payload?, _ source: any Source) throws(Failure) {
    guard let current, current.trailer != new.trailer else { return }
    guard current.record.name == new.record.name else {
      throw .otherApplication(source, new, current)
    }
    guard !allowsOlder else { return }
    switch isOlder(new, than: current) {
    case true?: throw .older(source, new, current)
    case false?: return
    case nil: throw .unknownAge(source, new, current)
    }
  }

  private func isOlder(_ new: Payload, than current: Payload) -> Bool? {
    let (oldVersion, newVersion) = (current.record.version, new.record.version)
    var areSame = oldVersion == newVersion && !oldVersion.isEmpty
    if let old = VersionOrder(oldVersion), let new = VersionOrder(newVersion) {
      if old != new { return new.isBefore(old) }
      areSame = true
    }
    if let newTime = time(of: found), let oldTime = time(of: signature(of: current)) {
      return newTime < oldTime
    }
    return areSame ? false : nil
  }

  /// The appended signature by the same key. It is that of a file of this machine, so only the key's number is compared.
  private func signature(of current: Payload) -> FoundSignature? {
    guard let bytes = try? appendedBytes(of: current),
      let signature = try? appendedSignature(bytes, to: current.path),
      signature.signature.keyID == key.id
    else { return nil }
    return signature
  }

  private func time(of found: FoundSignature?) -> UInt64? {
    found?.signature.field("timestamp").flatMap { UInt64($0) }
  }
}

/// The URL of the signature of a file: with ".minisig" after its path.
func signatureURL(_ url: String) -> String {
  let path = url.prefix { $0 != "?" && $0 != "#" }
  return path + ".minisig" + url.dropFirst(path.count)
}
