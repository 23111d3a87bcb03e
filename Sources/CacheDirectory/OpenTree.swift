internal import PayloadFormat
public import PayloadReader
public import Posix
import Reporting

/// Finds the tree of `payload` in a cache directory, or unpacks it there.
///
/// Uses the first candidate that holds the tree or is writable. Termination signals are held during writes. If
/// one arrives, the unfinished work is removed and `Failure.interrupted` is thrown.
public func openTree(of payload: Payload, _ request: TreeRequest) throws(Failure) -> CachedTree {
  var search = CacheSearch(
    create: true, room: payload.programPathLength, timeline: request.observer.timeline)
  return try openTree(of: payload, request, &search)
}

/// Finds the tree, or unpacks it, in a directory of `search`.
func openTree(
  of payload: Payload, _ request: TreeRequest, _ search: inout CacheSearch
) throws(Failure) -> CachedTree {
  let tree = try followChart(payload, request, &search)
  // From here on a signal ends the process by default.
  if let signal = TerminationSignals.pending { throw .interrupted(signal: signal) }
  if tree.wasUnpacked, let shared = search.sharedTree(payload.treeName) {
    request.observer.refusedShared(shared)
  }
  return tree
}

/// The chart at the top of docs/launch.md, box by box. Each step is in the file of its name.
///
/// RENAME makes the procedure correct. LOCK only saves work, so the procedure is correct even if locks don't work.
private func followChart(
  _ payload: Payload, _ request: TreeRequest, _ search: inout CacheSearch
) throws(Failure) -> CachedTree {
  // NEXT
  while let cache = search.next() {
    // LOOK
    switch try cache.look(payload, request) {
    case .passes(let sealed): return cache.finish(sealed, payload, request)
    case .isUnsafe(let refusal):
      search.refuse(refusal)
      continue
    case .fails(let sealed):
      // WRITABLE: no; the tree is used as it is, or not at all.
      if !cache.isWritable, let tree = try cache.useAsItIs(sealed, payload, request) { return tree }
    case .isMissing: break
    }
    // WRITABLE
    guard cache.isWritable else {
      if cache.hasEntry(payload.treeName) { search.refuse(.unusableTree) }
      continue
    }
    // ABOVE: a new directory was created after this check.
    if !cache.isNew, let refusal = ancestorRefusal(of: cache.path) {
      search.refuse(refusal)
      continue
    }
    // GLIBC
    request.observer.timeline.begin(.plan)
    try request.checkSystem?(payload.record)
    // LOCK
    let mask = holdSignals()
    defer { releaseSignals(mask) }
    var lock = cache.openLock(of: payload, request)
    defer { lock?.release() }
    if let tree = try cache.wait(for: &lock, payload, request) { return tree }
    // LOOK AGAIN: a failed full check is not repeated, because COMPARE makes it under the lock.
    if request.check != .full, let tree = try cache.lookAgain(payload, request) { return tree }
    let manifest = try cache.prepareToWrite(payload, request)
    // More than one round is needed only if others keep removing the tree.
    for _ in 0..<8 {
      var isPresent = true
      // COMPARE
      switch try cache.compare(payload, manifest, request) {
      case .isRight(let present):
        // SEAL ANEW
        if let tree = try cache.sealAnew(
          present, wasRepaired: false, payload, manifest, request)
        {
          return tree
        }
      case .isDamaged(let present, let damaged):
        // REPAIR, SEAL ANEW
        if try cache.repair(damaged, of: present, payload, manifest, request.observer),
          let tree = try cache.sealAnew(present, wasRepaired: true, payload, manifest, request)
        {
          return tree
        }
      case .isBeyondRepair: break
      case .isMissing: isPresent = false
      }
      // UNPACK
      let staged = try cache.unpack(payload, manifest, replacing: isPresent, request)
      // RENAME
      if let tree = try cache.rename(staged, payload, manifest, replacing: isPresent, request) {
        return tree
      }
      // LOOK AGAIN
      if let tree = try cache.lookAgain(payload, request) { return tree }
    }
    throw Failure("open", cache.treePath(payload), .noSuchFile)
  }
  throw .noDirectory(search.skipped)
}
