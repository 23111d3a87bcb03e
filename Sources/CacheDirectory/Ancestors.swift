internal import Posix

// Who may write to a directory can rename what is in it, and put something else there: between a check and the
// execution of a program, which is by path. So nobody but root and the user may be able to write to any directory above a
// cache directory (docs/launch.md, "The directories above it").

/// Why the directories above `path`, which is absolute, are not safe; nil where they are. Symlinks are resolved, and what
/// does not exist is not looked at: it would be made by this user.
@inline(never)
func ancestorRefusal(of path: Path) -> CacheRefusal? {
  var walk = AncestorWalk(path)
  return walk.refusal()
}

private struct AncestorWalk {
  /// Absolute, without symlinks; looked at.
  private var place = Path("/")
  /// What is yet to be looked at, the next component last.
  private var components: [[UInt8]] = []
  private var linksLeft = 40
  private let user = ProcessContext.owner

  init(_ path: Path) { push(path) }

  /// Makes the components of `path` the next ones.
  private mutating func push(_ path: Path) {
    var names = pieces(of: [UInt8](path.bytes), at: UInt8(ascii: "/"))
    while let name = names.popLast() {
      if !name.isEmpty && name != [UInt8(ascii: ".")] { components.append(name) }
    }
  }

  mutating func refusal() -> CacheRefusal? {
    let current = DirectoryHandle.current
    do throws(Failure) {
      var above = try current.status(of: place)
      guard isOurs(above) else { return belongsToAnother }
      while let name = components.popLast() {
        if name == [UInt8(ascii: "."), UInt8(ascii: ".")] {
          place = place.parent
          above = try current.status(of: place)
          continue
        }
        let next = place.appending(name)
        let status = try current.statusIfExists(of: next)
        // Whose name it is, others can't change in a sticky directory.
        let isFixed = above.mode & 0o1000 != 0 && status.map(isOurs) != false
        guard isFixed || !canBeWrittenByOthers(above) else {
          return CacheRefusal("is below \(place.quoted), which others can write to")
        }
        guard let status else { return nil }
        if status.kind == .symlink {
          guard linksLeft > 0 else { throw Failure("open", next, .symlinkLoop) }
          linksLeft -= 1
          let target = try current.symlinkTarget(of: next)
          push(target)
          if target.isAbsolute {
            place = Path("/")
            above = try current.status(of: place)
          }
          continue
        }
        // The cache directory itself is looked at when it is opened.
        guard !components.isEmpty else { return nil }
        place = next
        above = status
        guard isOurs(above) else { return belongsToAnother }
      }
      return nil
    } catch {
      return CacheRefusal("is below a directory that can't be examined", error)
    }
  }

  private var belongsToAnother: CacheRefusal {
    CacheRefusal("is below \(place.quoted), which belongs to another user")
  }

  private func isOurs(_ status: FileStatus) -> Bool {
    if status.belongs(to: user) { return true }
    // Where root has no number of its own, what is root's can't be told from what is another user's.
    return status.user == ProcessContext.overflowUser && !ProcessContext.isMapped(user: 0)
  }

  private func canBeWrittenByOthers(_ status: FileStatus) -> Bool {
    if status.mode & 0o002 != 0 { return true }
    guard status.mode & 0o020 != 0 else { return false }
    // With an access control list the group's permissions are those of all whom it names.
    return DirectoryHandle.hasAccessControlList(place)
      || !GroupMembers(of: status.group, besides: user).areNone
  }
}

/// Who is in a group, as the files /etc/passwd and /etc/group say.
private struct GroupMembers {
  /// Whether nobody is in the group but root and the user. A group that the files don't know may hold anybody.
  private(set) var areNone: Bool

  init(of group: UInt32, besides user: UInt32) {
    var ours: [[UInt8]] = []
    // name:password:user:group:...
    for line in GroupMembers.lines(of: Path("/etc/passwd")) {
      let fields = pieces(of: line, at: UInt8(ascii: ":"))
      guard fields.count > 3 else { continue }
      let number = decimalNumber(fields[2])
      if number == 0 || number == user {
        ours.append(fields[0])
      } else if decimalNumber(fields[3]) == group {
        areNone = false
        return
      }
    }
    areNone = group == 0
    // name:password:group:member,member,...
    for line in GroupMembers.lines(of: Path("/etc/group")) {
      let fields = pieces(of: line, at: UInt8(ascii: ":"))
      guard fields.count > 3, decimalNumber(fields[2]) == group else { continue }
      areNone = true
      for member in pieces(of: fields[3], at: UInt8(ascii: ",")) where !member.isEmpty {
        if !ours.contains(member) { areNone = false }
      }
      return
    }
  }

  /// The lines of a file; none where it can't be read.
  private static func lines(of file: Path) -> [[UInt8]] {
    guard let opened = try? FileDescriptor.open(file, .read),
      let bytes = try? opened.bytes(at: 0, count: 4 << 20)
    else { return [] }
    return pieces(of: bytes, at: UInt8(ascii: "\n"))
  }
}
