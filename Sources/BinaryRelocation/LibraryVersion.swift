internal import CElf

/// The version of elfutils in this build, such as "0.188".
public var elfutilsVersion: String { "0.\(_ELFUTILS_VERSION)" }
