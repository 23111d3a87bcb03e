extension Schema {
  /// The forms of texts, as regular expressions that ECMAScript, Python and Rust interpret alike.
  ///
  /// They can allow more than the reader of a spec does, but never less. The tests compare both.
  public enum Form: Sendable {
    case applicationName
    case version
    case pythonVersion
    case glibcVersion
    case sha256
    case libraryName
    /// A name or a path.
    case sharedLibrary
    /// A distribution or an extra. An array must not repeat one.
    case distribution
    /// A requirement that begins with a distribution's name (PEP 508).
    case requirement
    case tarArchive
    case dottedName
    case function
    /// Relative, without "..", and not the tree itself.
    case treePath
    /// Relative, without "..".
    case relativePath
    case variableName
    /// The keys of a table of texts are names of environment variables.
    case variables
    case httpPath
    case size
    /// An identifier of the SPDX list or a pattern of such, perhaps with an exception.
    case license
    /// A distribution with a version specifier (PEP 440).
    case deniedVersions
    case percentage
    case outputName
    case target
    /// The boolean must be true.
    case onlyTrue

    /// Any text that a spec can hold.
    public static let anyText = "^[^\\u0000]*$"

    /// The pattern that the text must match.
    public var pattern: String {
      switch self {
      case .applicationName: "^[A-Za-z0-9_+][A-Za-z0-9._+-]*$"
      case .version: "^[^\(Self.controls)]*$"
      case .pythonVersion: "^3\\.(0|[1-9][0-9]{0,2})(\\.(0|[1-9][0-9]{0,2}))?$"
      case .glibcVersion: "^(0|[1-9][0-9]{0,2})\\.(0|[1-9][0-9]{0,2})$"
      case .sha256: "^[0-9A-Fa-f]{64}$"
      case .libraryName: "^[^/\\u0000]+$"
      case .sharedLibrary: "^[^\\u0000]*\\.so[^/\\u0000]*$"
      case .distribution: "^\(Self.distributionName)$"
      case .requirement: "^\(Self.distributionName)[ \\t]*([\\[<>=!~;@(][^\(Self.controls)]*)?$"
      case .tarArchive: "\(Self.tar)$|\(Self.url)[^?#]*\(Self.tar)[?#]"
      case .dottedName: "^\(Self.dotted)$"
      case .function: "^\(Self.dotted):\(Self.dotted)$"
      case .variableName: "^[^=\\u0000]+$"
      case .httpPath: "^/[^ \(Self.controls)]*$"
      case .size: "^[0-9]+(\\.[0-9]{1,6})?\\s*([KkMmGgTt]?[Bb]|[KkMmGgTt][Ii][Bb])?\\s*$"
      case .license: "^\\s*\(Self.licenseName)(\\s+[Ww][Ii][Tt][Hh]\\s+\(Self.licenseName))?\\s*$"
      case .deniedVersions:
        "^\\s*\(Self.distributionName)\\s*(\(Self.clause)(,\(Self.clause))*)?$"
      case .percentage: "^(100(\\.0)?|[0-9]{1,2}(\\.[0-9])?) ?%?$"
      case .outputName: "^([^{}\(Self.controls)]|\\{(name|version|target)\\})+$"
      case .target: "^(\(Target.all.flatMap(\.names).joined(separator: "|")))$"
      case .treePath, .relativePath, .variables, .onlyTrue: Self.anyText
      }
    }

    /// The pattern that the text must not match; nil for none.
    public var excluded: String? {
      switch self {
      case .treePath: "^/|(^|/)\\.\\.(/|$)|^(\\./+)*\\.?$"
      case .relativePath: "^/|(^|/)\\.\\.(/|$)"
      case .size: "^0*(\\.0*)?[^0-9.]*$"
      case .outputName: "(^|/)\\.{0,2}$"
      default: nil
      }
    }

    /// The maximum number of characters; nil for no limit.
    public var longest: Int? {
      switch self {
      case .applicationName: 64
      case .version: 128
      default: nil
      }
    }

    /// The pattern of a table's keys.
    public var namePattern: String? { self == .variables ? Form.variableName.pattern : nil }

    /// The beginning of a text that is a URL.
    public static let url = "^([Hh][Tt][Tt][Pp][Ss]?|[Ff][Ii][Ll][Ee])://"
    private static let distributionName = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
    private static let licenseName = "[A-Za-z0-9.+*-]+"
    private static let clause =
      "\\s*(===\\s*[^\\s,]+|(==|!=)\\s*[vV]?[0-9][A-Za-z0-9.!+_-]*(\\.\\*)?|(~=|<=|>=|<|>)\\s*[vV]?[0-9][A-Za-z0-9.!+_-]*)\\s*"
    private static let tar = "\\.(tar|tar\\.gz|tgz|tar\\.zst|tar\\.xz)"

    /// C0 and C1 control characters, in a character class.
    private static let controls = "\\u0000-\\u001F\\u007F-\\u009F"

    /// Identifiers joined by dots: letters, digits, underscores and all non-ASCII characters.
    private static let dotted = "\(identifier)(\\.\(identifier))*"
    private static let identifier =
      "[^\\u0000-@\\[-\\^`{-\\u007F][^\\u0000-/:-@\\[-\\^`{-\\u007F]*"
  }
}
