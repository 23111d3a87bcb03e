/// A licence of a component, as its maker states it.
public struct License: Equatable, Sendable {
  public enum Kind: Sendable {
    /// An expression of SPDX (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions), such as "MIT OR Apache-2.0".
    case expression
    /// An identifier of the SPDX licence list.
    case identifier
    /// Any other name.
    case name
  }

  public var kind: Kind
  public var value: String
  /// The text, if the document holds it.
  public var text: String?

  public init(_ kind: Kind, _ value: String, text: String? = nil) {
    self.kind = kind
    self.value = value
    self.text = text
  }
}

/// The SPDX identifiers of the licence classifiers that name exactly one licence.
///
/// Others, such as "BSD License", stand for several.
private let licensesOfClassifiers: [String: String] = [
  "OSI Approved :: MIT License": "MIT",
  "OSI Approved :: MIT No Attribution License (MIT-0)": "MIT-0",
  "OSI Approved :: Apache Software License": "Apache-2.0",
  "OSI Approved :: ISC License (ISCL)": "ISC",
  "OSI Approved :: Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
  "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
  "OSI Approved :: GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
  "OSI Approved :: GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
  "OSI Approved :: GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
  "OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
  "OSI Approved :: GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
  "OSI Approved :: GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
  "OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
  "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
  "OSI Approved :: GNU Affero General Public License v3": "AGPL-3.0-only",
  "OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
  "OSI Approved :: Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
  "OSI Approved :: Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
  "OSI Approved :: European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
  "OSI Approved :: Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
  "OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
  "OSI Approved :: Universal Permissive License (UPL)": "UPL-1.0",
  "OSI Approved :: Zero-Clause BSD (0BSD)": "0BSD",
  "OSI Approved :: zlib/libpng License": "Zlib",
  "OSI Approved :: Zope Public License": "ZPL-2.1",
  "OSI Approved :: Python Software Foundation License": "PSF-2.0",
  "OSI Approved :: Historical Permission Notice and Disclaimer (HPND)": "HPND",
  "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
]

extension License {
  /// The licence that a classifier states; nil if the classifier is about something else.
  init?(classifier: String) {
    let prefix = "License :: "
    guard classifier.hasPrefix(prefix), classifier != "License :: OSI Approved" else { return nil }
    let name = String(classifier.dropFirst(prefix.count))
    if let id = licensesOfClassifiers[name] {
      self.init(.identifier, id)
    } else {
      self.init(.name, name.split(separator: " :: ").last.map(String.init) ?? name)
    }
  }
}
