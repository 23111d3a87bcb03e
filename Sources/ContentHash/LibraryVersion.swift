internal import CCrypto

/// The version of OpenSSL that this program was built with, such as "3.0.17".
public var opensslVersion: String {
  // "OpenSSL 3.0.17 1 Jul 2025"
  let words = OPENSSL_VERSION_TEXT.split(separator: " ")
  return words.count > 1 ? String(words[1]) : OPENSSL_VERSION_TEXT
}
