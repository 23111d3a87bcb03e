internal import CElf

/// The version of the elfutils that this was built with, such as "0.188".
public var elfutilsVersion: String { "0.\(_ELFUTILS_VERSION)" }
