extension Schema {
  /// What a text must look like, as regular expressions that ECMAScript, Python and Rust understand alike. They
  /// may allow more than reading a spec does, never less: the tests compare both.
  public enum Form: Sendable {
    case applicationName
    case version
    case pythonVersion
    case glibcVersion
    case sha256
    case libraryName
    /// A name or a path.
    case sharedLibrary
    /// A distribution or an extra. In an array each may be there once.
    case distribution
    /// A requirement that begins with a distribution's name (PEP 508).
    case requirement
    case tarArchive
    case dottedName
    case function
    /// Relative, not the tree itself, without "..".
    case treePath
    /// Relative, without "..".
    case relativePath
    case variableName
    /// The names of a table of texts are names of variables.
    case variables
    case httpPath
    case size
    case outputName
    case target
    /// Of a boolean: true.
    case onlyTrue

    /// Any text that a spec may have.
    public static let anyText = "^[^\\u0000]*$"

    /// What the text must match.
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
      case .outputName: "^([^{}\(Self.controls)]|\\{(name|version|target)\\})+$"
      case .target: "^(\(Target.all.flatMap(\.names).joined(separator: "|")))$"
      case .treePath, .relativePath, .variables, .onlyTrue: Self.anyText
      }
    }

    /// What the text must not match; nil if nothing is forbidden.
    public var excluded: String? {
      switch self {
      case .treePath: "^/|(^|/)\\.\\.(/|$)|^(\\./+)*\\.?$"
      case .relativePath: "^/|(^|/)\\.\\.(/|$)"
      case .size: "^0*(\\.0*)?[^0-9.]*$"
      case .outputName: "(^|/)\\.{0,2}$"
      default: nil
      }
    }

    /// The most characters; nil if any number will do.
    public var longest: Int? {
      switch self {
      case .applicationName: 64
      case .version: 128
      default: nil
      }
    }

    /// What the names of a table must match.
    public var namePattern: String? { self == .variables ? Form.variableName.pattern : nil }

    /// The beginning of a text that is a URL.
    public static let url = "^([Hh][Tt][Tt][Pp][Ss]?|[Ff][Ii][Ll][Ee])://"
    private static let distributionName = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
    private static let tar = "\\.(tar|tar\\.gz|tgz|tar\\.zst|tar\\.xz)"

    /// Of C0 and C1, in a character class.
    private static let controls = "\\u0000-\\u001F\\u007F-\\u009F"

    /// Identifiers, joined by dots: letters, digits, underscores and all that is not ASCII.
    private static let dotted = "\(identifier)(\\.\(identifier))*"
    private static let identifier =
      "[^\\u0000-@\\[-\\^`{-\\u007F][^\\u0000-/:-@\\[-\\^`{-\\u007F]*"
  }
}
