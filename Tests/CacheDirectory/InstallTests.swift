import PayloadFormat
import PayloadReader
import Posix
import TestSupport
import Testing

@testable import CacheDirectory

/// Each scenario runs in its own process. Installing holds signals, which belong to the process. It also takes
/// locks, which a process started by another test would share until it executes its program.
@Suite struct InstallTests {
  @Test(arguments: Scenarios.all.keys.sorted())
  func scenario(_ name: String) async {
    await #expect(processExitsWith: .success) { [name = name as String] in
      try Scenarios.all[name]?(Scenarios())
    }
  }
}

private struct Scenarios {
  static let all: [String: @Sendable (Scenarios) throws -> Void] = [
    "aTreeIsUnpackedOnceAndFoundAgain": { try $0.aTreeIsUnpackedOnceAndFoundAgain() },
    "theNameIsOfTheTreeID": { try $0.theNameIsOfTheTreeID() },
    "theCacheIsForItsUserAlone": { try $0.theCacheIsForItsUserAlone() },
    "whatEachCheckNotices": { try $0.whatEachCheckNotices() },
    "aDamagedTreeIsRepaired": { try $0.aDamagedTreeIsRepaired() },
    "aRepairNeedsOnlyTheFramesOfWhatIsDamaged": {
      try $0.aRepairNeedsOnlyTheFramesOfWhatIsDamaged()
    },
    "aDirectoryWithFurtherFilesKeepsItsTime": {
      try $0.aDirectoryWithFurtherFilesKeepsItsTime()
    },
    "whatAKilledSealingLeftIsRemoved": { try $0.whatAKilledSealingLeftIsRemoved() },
    "aTreeWithoutASealIsCheckedAndSealed": { try $0.aTreeWithoutASealIsCheckedAndSealed() },
    "aTreeWithFurtherFilesIsSealedAnew": { try $0.aTreeWithFurtherFilesIsSealedAnew() },
    "aTreeOfAnEarlierBootIsCheckedOnceAndIsDurableThen": {
      try $0.aTreeOfAnEarlierBootIsCheckedOnceAndIsDurableThen()
    },
    "aTreeThatOthersCanWriteToIsNotUsed": { try $0.aTreeThatOthersCanWriteToIsNotUsed() },
    "aSymlinkIsNoTree": { try $0.aSymlinkIsNoTree() },
    "aDamagedPayloadLeavesNothing": { try $0.aDamagedPayloadLeavesNothing() },
    "removing": { try $0.removing() },
    "aTreeInUseIsNotRemoved": { try $0.aTreeInUseIsNotRemoved() },
    "aPrewarmedTreeIsDurableAtOnce": { try $0.aPrewarmedTreeIsDurableAtOnce() },
    "onlyAbandonedStagingOfThisTreeIsReclaimed": {
      try $0.onlyAbandonedStagingOfThisTreeIsReclaimed()
    },
    "whatFailedItsCheckPassesItAfterwards seal": {
      try $0.whatFailedItsCheckPassesItAfterwards(.seal)
    },
    "whatFailedItsCheckPassesItAfterwards dirs": {
      try $0.whatFailedItsCheckPassesItAfterwards(.dirs)
    },
    "whatFailedItsCheckPassesItAfterwards files": {
      try $0.whatFailedItsCheckPassesItAfterwards(.files)
    },
    "whatFailedItsCheckPassesItAfterwards full": {
      try $0.whatFailedItsCheckPassesItAfterwards(.full)
    },
  ]

  private let place: TemporaryDirectory
  private let payload: Payload
  private let name: String

  init() throws {
    place = try TemporaryDirectory()
    payload = try Payload.open(try place.write("onefile", Onefile.sample().encoded()))
    name = payload.treeName.string
  }

  private func open(create: Bool = true) throws -> CacheDirectory {
    var reason: CacheRefusal = ""
    guard
      let cache = CacheDirectory.open(
        Candidates.Candidate(path: place("cache"), refusal: nil), create: create, reason: &reason)
    else {
      throw Refused(reason: "\(reason.text)")
    }
    return cache
  }

  private func request(_ check: CheckPolicy = .dirs) -> TreeRequest {
    var request = TreeRequest(observer: silent)
    request.check = check
    return request
  }

  private struct Refused: Error { var reason: String }

  private func isFound(_ check: CheckPolicy = .dirs) throws -> Bool {
    let cache = try open()
    let tree = try cache.lookAgain(payload, request(check))
    return tree != nil
  }

  private func open(_ payload: Payload, _ request: TreeRequest) throws(Failure) -> CachedTree {
    var search = CacheSearch(given: place("cache"), create: true)
    return try openTree(of: payload, request, &search)
  }

  /// Makes the tree ready like a launch, and returns whether it unpacked it.
  private func install(_ check: CheckPolicy = .dirs) throws -> Bool {
    let tree = try open(payload, request(check))
    #expect(tree.root.elementsEqual(place("cache/\(name)/tree")))
    return tree.wasUnpacked
  }

  private func damage(_ file: String) throws {
    let opened = try FileDescriptor.open(place("cache/\(name)/tree/\(file)"), .write)
    try opened.write([0xEE])
  }

  // MARK: First and later launches

  func aTreeIsUnpackedOnceAndFoundAgain() throws {
    #expect(try !isFound())
    #expect(try install())
    #expect(try place.list("cache") == [name])
    #expect(try place.list("cache/\(name)") == ["lease", "manifest", "seal", "tree"])
    for check in CheckPolicy.allCases { #expect(try isFound(check), "\(check)") }
    #expect(try !install())
  }

  func theNameIsOfTheTreeID() throws {
    #expect(name == hexText(payload.treeID.bytes.suffix(16)).string)
    #expect(name.utf8.count == 32)
  }

  func theCacheIsForItsUserAlone() throws {
    #expect(try install())
    #expect(try place.status("cache").mode == 0o700)
    // All users who may enter the cache directory may use its trees: root may have prewarmed one.
    #expect(try place.status("cache/\(name)").mode == 0o755)
  }

  func whatEachCheckNotices() throws {
    #expect(try install())
    try damage("big")
    #expect(try isFound(.seal) && isFound(.dirs))
    #expect(try !isFound(.full))
    #expect(try !isFound(.files))
  }

  func aDamagedTreeIsRepaired() throws {
    #expect(try install())
    let tree = "cache/\(name)/tree"
    let before = try place.status("\(tree)/big").inode
    let sound = try ["", "program", "directory/inner", "directory"].map {
      try place.status("\(tree)/\($0)").inode
    }
    try damage("big")
    #expect(try install(.full))
    #expect(try place.list("cache") == [name])
    #expect(try place.list("cache/\(name)") == ["lease", "manifest", "seal", "tree"])
    #expect(try isFound(.full) && isFound(.dirs))
    #expect(try place.status("\(tree)/big").inode != before)
    #expect(
      try ["", "program", "directory/inner", "directory"].map {
        try place.status("\(tree)/\($0)").inode
      } == sound)
    #expect(try place.status(tree).modified.seconds == Onefile.time)
  }

  func aRepairNeedsOnlyTheFramesOfWhatIsDamaged() throws {
    #expect(try install())
    var onefile = Onefile.sample()
    onefile.frames[1].hash = digest(onefile.frames[1].stored)
    onefile.frames[1].stored[0] ^= 1
    let damaged = try Payload.open(try place.write("damaged", onefile.encoded()))
    try #require(damaged.treeID == payload.treeID)
    try place.remove("cache/\(name)/tree/empty")
    let tree = try open(damaged, request())
    let wasUnpacked = tree.wasUnpacked
    #expect(wasUnpacked)
    #expect(try isFound(.full))
    // This payload cannot give a complete tree, so none is unpacked.
    try damage("big")
    do throws(Failure) {
      _ = try open(damaged, request(.full))
      Issue.record("it was installed")
    } catch {
      #expect(error == .damaged(.frame(1), damaged.path))
    }
    #expect(try place.list("cache") == [name])
  }

  func aDirectoryWithFurtherFilesKeepsItsTime() throws {
    #expect(try install())
    let directory = "cache/\(name)/tree/directory"
    try place.write("\(directory)/cached")
    try place.setTime(directory, seconds: 77)
    #expect(try !install())
    #expect(try place.status(directory).modified.seconds == 77)
    try place.remove("\(directory)/cached")
    #expect(try !install())
    #expect(try place.status(directory).modified.seconds == Onefile.time)
  }

  func whatAKilledSealingLeftIsRemoved() throws {
    #expect(try install())
    try place.remove("cache/\(name)/seal")
    try place.write("cache/\(name)/.seal.0123456789abcdef")
    #expect(try !install())
    #expect(try place.list("cache/\(name)") == ["lease", "manifest", "seal", "tree"])
  }

  func aTreeWithoutASealIsCheckedAndSealed() throws {
    #expect(try install())
    try place.remove("cache/\(name)/seal")
    #expect(try !isFound(.seal))
    #expect(try !install())
    #expect(try isFound(.seal))
  }

  func aTreeWithFurtherFilesIsSealedAnew() throws {
    #expect(try install())
    try place.write("cache/\(name)/tree/directory/cached")
    #expect(try !isFound(.dirs))
    #expect(try !install())
    #expect(try isFound(.dirs))
    #expect(try place.exists("cache/\(name)/tree/directory/cached"))
  }

  /// Otherwise every launch would compare everything.
  func whatFailedItsCheckPassesItAfterwards(_ check: CheckPolicy) throws {
    #expect(try install())
    try place.setTime("cache/\(name)/tree/big", seconds: 1)
    try place.setTime("cache/\(name)/tree/directory", seconds: 1)
    _ = try install(check)
    #expect(try isFound(check))
  }

  func aTreeOfAnEarlierBootIsCheckedOnceAndIsDurableThen() throws {
    #expect(try install())
    let directory = try FileDescriptor.open(place("cache/\(name)"), .directory)
    let tree = try FileDescriptor.open(place("cache/\(name)/tree"), .directory)
    let manifest = try payload.readManifest()
    try Seal(
      of: manifest, treeID: payload.treeID,
      owner: TreeOwner(name: [], version: [], bytes: 0, keepDays: 30), in: tree.handle,
      isNew: true, place: Place(place("cache"), seenBy: ProcessContext.effectiveUser),
      bootID: noise(16), isDurable: false
    ).write(in: directory.handle)
    for check in CheckPolicy.allCases { #expect(try !isFound(check), "\(check)") }
    #expect(try !install(.seal))
    #expect(try isFound(.seal))
    let seal = Seal.read(in: directory.handle, treeID: payload.treeID, withTable: false)
    #expect(seal?.isDurable == true)
  }

  func aTreeThatOthersCanWriteToIsNotUsed() throws {
    #expect(try install())
    try DirectoryHandle.current.setMode(of: place("cache/\(name)"), 0o722)
    #expect(try !isFound(.seal))
  }

  func aSymlinkIsNoTree() throws {
    #expect(try install())
    try DirectoryHandle.current.rename(place("cache/\(name)"), to: place("cache/moved"))
    try place.symlink("cache/\(name)", to: "moved")
    #expect(try !isFound(.seal))
  }

  // MARK: Failures

  func aDamagedPayloadLeavesNothing() throws {
    var onefile = Onefile.sample()
    onefile.frames[1].hash = .zero
    let damaged = try Payload.open(try place.write("damaged", onefile.encoded()))
    do throws(Failure) {
      _ = try open(damaged, request())
      Issue.record("it was installed")
    } catch {
      #expect(error == .damaged(.frame(1), damaged.path))
    }
    #expect(try place.list("cache") == [])
  }

  // MARK: Removing

  func removing() throws {
    #expect(try install())
    let cache = try open()
    #expect(removed(cache) == [.tree])
    #expect(removed(cache) == [])
    #expect(try place.list("cache") == [])
  }

  /// The kinds that `clean` removes.
  private func removed(_ cache: borrowing CacheDirectory) -> [CacheItem.Kind] {
    var cleanUp = CleanUp()
    cleanUp.tree = payload.treeName
    var result = CleanUpResult()
    cache.cleanUp(cleanUp, &result)
    #expect(result.failures.isEmpty)
    return result.removed.map(\.kind)
  }

  func aTreeInUseIsNotRemoved() throws {
    let tree = try open(payload, request())
    let cache = try open()
    #expect(removed(cache) == [])
    #expect(try place.exists("cache/\(name)/seal"))
    #expect(try FileDescriptor.open(tree.root, .directory).status().kind == .directory)
  }

  func aPrewarmedTreeIsDurableAtOnce() throws {
    var durable = request()
    durable.isDurable = true
    let cache = try open()
    #expect(try install())
    let directory = try FileDescriptor.open(place("cache/\(name)"), .directory)
    var seal = Seal.read(in: directory.handle, treeID: nil, withTable: true)
    #expect(seal?.isDurable == false)
    let isFound = try cache.lookAgain(payload, durable) != nil
    #expect(!isFound)
    let tree = try open(payload, durable)
    let wasUnpacked = tree.wasUnpacked
    #expect(!wasUnpacked)
    seal = Seal.read(in: directory.handle, treeID: nil, withTable: true)
    #expect(seal?.isDurable == true)
    let isFoundThen = try cache.lookAgain(payload, durable) != nil
    #expect(isFoundThen)
  }

  func onlyAbandonedStagingOfThisTreeIsReclaimed() throws {
    let cache = try open()
    let names = ["0123456789abcdef", "fedcba9876543210", "0000000000000000"].map {
      ".\(name).\($0)"
    }
    for staging in names { try place.write("cache/\(staging)/tree/file") }
    for staging in names[..<2] {
      try place.write("cache/\(staging)/lease", Lease.mark, mode: 0o644)
    }
    try place.write("cache/.other.0123456789abcdef/tree/file")
    try place.write("cache/unrelated")
    let held = try FileDescriptor.open(place("cache/\(names[1])/lease"), .updateNoFollow)
    #expect(try held.lockRecord(exclusive: true))
    cache.reclaimStaging(of: payload.treeName)
    #expect(
      try place.list("cache") == [
        names[2], names[1], ".other.0123456789abcdef", "unrelated",
      ])
  }
}

@Suite struct CacheDirectoryTests {
  private let place: TemporaryDirectory

  init() throws { place = try TemporaryDirectory() }

  private func refusal(create: Bool = true) -> String {
    var reason: CacheRefusal = ""
    _ = CacheDirectory.open(
      Candidates.Candidate(path: place("cache"), refusal: nil), create: create, reason: &reason)
    return "\(reason.text)"
  }

  @Test func missingDirectoriesAreMade() throws {
    var reason: CacheRefusal = ""
    let candidate = Candidates.Candidate(path: place("a/b/c"), refusal: nil)
    guard let made = CacheDirectory.open(candidate, create: true, reason: &reason) else {
      Issue.record("\(reason.text)")
      return
    }
    let isWritable = made.isWritable
    #expect(isWritable)
    #expect(try place.status("a/b").mode == 0o700)
    #expect(refusal(create: false) == "does not exist")
    #expect(try !place.exists("cache"))
  }

  @Test(arguments: [0o720, 0o702, 0o777, 0o1777] as [UInt32])
  func directoriesThatOthersCanWriteTo(_ mode: UInt32) throws {
    try place.makeDirectory("cache", mode: mode)
    #expect(refusal() == "can be written to by others")
  }

  @Test func symlinksAndFiles() throws {
    try place.makeDirectory("real", mode: 0o700)
    try place.symlink("cache", to: "real")
    #expect(refusal().hasPrefix("is a symlink"))
    try place.remove("cache")
    try place.symlink("cache", to: "nowhere")
    #expect(refusal().hasPrefix("is a symlink"))
    try place.remove("cache")
    try place.write("cache")
    #expect(refusal() == "is a symlink or no directory")
  }

  @Test func errorsNameEveryDirectory() {
    let error = Failure.noDirectory([
      SkippedCandidate(path: Path("/a\n"), reason: "is on a noexec mount"),
      SkippedCandidate(path: Path("/b"), reason: "belongs to another user"),
    ])
    #expect(
      error.description.string
        == "no directory to unpack to: '/a\\x0a' is on a noexec mount; '/b' belongs to another user"
    )
  }
}
