internal import Posix

// A program is executed by path. A user who can write to a directory can rename its entries and replace them
// between the check and the execution. So only root and the user may be able to write to any directory above a
// cache directory (docs/launch.md, "The directories above it").

/// Why the directories above `path` are not safe; nil if they are. `path` must be absolute. Resolves symlinks.
/// Ignores directories that do not exist, because this user would create them.
@inline(never)
func ancestorRefusal(of path: Path) -> CacheRefusal? {
  var walk = AncestorWalk(path)
  return walk.refusal()
}

private struct AncestorWalk {
  /// The directory that was checked last: absolute, without symlinks.
  private var place = Path("/")
  /// The components that are not checked yet, the next one last.
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
        // In a sticky directory, other users cannot rename or remove an entry.
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
        // The cache directory itself is checked when it is opened.
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
    // If root is not mapped here, root's files look the same as those of other unmapped users.
    return status.user == ProcessContext.overflowUser && !ProcessContext.isMapped(user: 0)
  }

  private func canBeWrittenByOthers(_ status: FileStatus) -> Bool {
    if status.mode & 0o002 != 0 { return true }
    guard status.mode & 0o020 != 0 else { return false }
    // With an access control list, the group bits are the upper limit for all users and groups in the list.
    return DirectoryHandle.hasAccessControlList(place)
      || !GroupMembers(of: status.group, besides: user).areNone
  }
}

/// The members of a group, according to /etc/passwd and /etc/group.
private struct GroupMembers {
  /// Whether the group has no members except root and the user. False for a group that the files do not list,
  /// because it may have any members.
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

  /// The lines of a file; none if it cannot be read.
  private static func lines(of file: Path) -> [[UInt8]] {
    guard let opened = try? FileDescriptor.open(file, .read),
      let bytes = try? opened.bytes(at: 0, count: 4 << 20)
    else { return [] }
    return pieces(of: bytes, at: UInt8(ascii: "\n"))
  }
}
