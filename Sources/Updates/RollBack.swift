import OutputFiles
import PayloadFormat
import PayloadReader
public import Posix

/// What a roll-back put in place of the output.
public struct RollBackResult: Sendable {
  /// From the launch record.
  public var name: [UInt8]
  public var version: [UInt8]
  public var treeID: [UInt8]
}

/// Puts `FILE.previous` in the place of `FILE` by a rename, after checking all of it. At every moment there is one of
/// the two.
///
/// - Throws: that there is no such file or that it is damaged, the system call that failed, or `interrupted`.
public func rollBack(_ output: Path, progress: @escaping FetchProgress) throws(Failure)
  -> RollBackResult
{
  let place = try OutputPlace(output)
  let previous = previousPath(of: place)
  let directory = DirectoryHandle.current
  guard let status = try directory.statusIfExists(of: previous), status.kind == .file else {
    throw .noPrevious(previous)
  }
  let payload: Payload
  do throws(Failure) {
    payload = try Payload.open(previous)
    _ = try verify(payload) { done, total in progress("checking", done, total) }
  } catch {
    throw error.kind == .interrupted || error.kind == .system ? error : .damagedPrevious(error)
  }
  if try directory.statusIfExists(of: place.path)?.isSameFile(as: status) == true {
    // A rename between two names of one file does nothing.
    try directory.removeFile(previous)
  } else {
    do throws(Failure) { try directory.rename(previous, to: place.path) } catch {
      throw error.kind == .system ? .cannotReplace(output, error) : error
    }
  }
  try synchronizeDirectory(of: place.path)
  return RollBackResult(
    name: payload.record.name, version: payload.record.version, treeID: payload.treeID.bytes)
}
