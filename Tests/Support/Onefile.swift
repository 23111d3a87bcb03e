import ContentHash
public import PayloadFormat

/// A onefile in memory, made by the format's own builders. A test can break each part.
public struct Onefile {
  /// Stored bytes, and the manifest's entry for them.
  public struct Frame {
    public var stored: [UInt8]
    public var rawLength: Int
    public var codec: Codec
    public var filter: FrameFilter
    /// The hash, if it is not that of the stored bytes.
    public var hash: Digest? = nil

    public init(
      stored: [UInt8], rawLength: Int? = nil, codec: Codec = .store, filter: FrameFilter = .none,
      hash: Digest? = nil
    ) {
      self.stored = stored
      self.rawLength = rawLength ?? stored.count
      self.codec = codec
      self.filter = filter
      self.hash = hash
    }
  }

  public enum Entry {
    case directory(mode: UInt16 = 0o755)
    case file(size: UInt64, segments: Range<Int>, hash: Digest, mode: UInt16 = 0o644)
    case symlink([UInt8])
    case hardLink(Int)
  }

  public var bootloader = [UInt8](repeating: 0x90, count: 100)
  public var padding: UInt8 = 0
  public var frames: [Frame] = []
  public var segments: [Manifest.Segment] = []
  public private(set) var entries: [(parent: Int, name: String, entry: Entry)] = []
  public var record = LaunchRecord(
    name: [UInt8]("app".utf8), entry: [UInt8]("program".utf8), target: [UInt8]("x86_64-linux".utf8))
  /// The bytes after the trailer.
  public var appended: [UInt8] = []
  /// The manifest's stored bytes, if they are not its raw ones.
  public var storedManifest: (bytes: [UInt8], codec: Codec)?
  /// Changes the finished parts before they are hashed.
  public var editManifest: (inout [UInt8]) -> Void = { _ in }
  public var editRecord: (inout [UInt8]) -> Void = { _ in }
  public var editTrailer: (inout Trailer) -> Void = { _ in }

  public static let time: Int64 = 1_700_000_000

  public init() {}

  /// Adds an entry and returns its index. Entries must be in the order of the format. The root already exists.
  @discardableResult
  public mutating func add(_ name: String, in parent: Int = 0, _ entry: Entry) -> Int {
    entries.append((parent, name, entry))
    return entries.count
  }

  /// Adds a file with its content in stored frames of its own, as many as their limit asks for. Empty content needs none.
  @discardableResult
  public mutating func add(
    _ name: String, in parent: Int = 0, content: [UInt8], hash: Digest? = nil, mode: UInt16 = 0o644
  ) -> Int {
    let first = segments.count
    for start in stride(from: 0, to: content.count, by: 8 << 20) {
      let part = [UInt8](content[start...].prefix(8 << 20))
      frames.append(Frame(stored: part))
      segments.append(
        Manifest.Segment(frame: frames.count - 1, offset: 0, length: UInt64(part.count)))
    }
    let range = content.isEmpty ? 0..<0 : first..<segments.count
    return add(
      name, in: parent,
      .file(
        size: UInt64(content.count), segments: range,
        hash: hash ?? SHA256Hasher.digest(of: content.span), mode: mode))
  }

  public func manifest() -> [UInt8] {
    var builder = ManifestBuilder()
    var offset: UInt64 = 0
    for frame in frames {
      builder.append(
        Manifest.Frame(
          offset: offset, storedLength: frame.stored.count, rawLength: frame.rawLength,
          codec: frame.codec, filter: frame.filter,
          hash: frame.hash ?? SHA256Hasher.digest(of: frame.stored.span)))
      offset += UInt64(frame.stored.count)
    }
    for segment in segments { builder.append(segment) }
    builder.appendDirectory(header(0, "", mode: 0o755))
    for (parent, name, entry) in entries {
      switch entry {
      case .directory(let mode): builder.appendDirectory(header(parent, name, mode: mode))
      case .file(let size, let segments, let hash, let mode):
        builder.appendFile(
          header(parent, name, mode: mode), size: size, segments: segments, hash: hash)
      case .symlink(let target):
        builder.appendSymlink(header(parent, name, mode: 0), target: target)
      case .hardLink(let target):
        builder.appendHardLink(parent: parent, name: [UInt8](name.utf8), target: target)
      }
    }
    var bytes = builder.encoded()
    editManifest(&bytes)
    return bytes
  }

  private func header(_ parent: Int, _ name: String, mode: UInt16) -> ManifestBuilder.Header {
    ManifestBuilder.Header(
      parent: parent, name: [UInt8](name.utf8), mode: mode, modifiedSeconds: Onefile.time,
      modifiedNanoseconds: 123_456_789)
  }

  public func encoded() -> [UInt8] {
    let payload = Int(Trailer.payloadOffset(afterBootloader: UInt64(bootloader.count)))
    var bytes = bootloader
    bytes += [UInt8](repeating: padding, count: payload - bytes.count)
    let prefix = SHA256Hasher.digest(of: bytes.span)
    for frame in frames { bytes += frame.stored }
    let framesLength = bytes.count - payload
    let raw = manifest()
    let stored = storedManifest?.bytes ?? raw
    bytes += stored
    var encodedRecord = record.encoded()
    editRecord(&encodedRecord)
    bytes += encodedRecord
    var trailer = Trailer(
      manifestCodec: storedManifest?.codec ?? .store, bootloaderLength: UInt64(bootloader.count),
      framesLength: UInt64(framesLength), manifestStoredLength: UInt64(stored.count),
      manifestRawLength: UInt64(raw.count), recordLength: UInt64(encodedRecord.count),
      prefixHash: prefix, manifestHash: SHA256Hasher.digest(of: stored.span),
      recordHash: SHA256Hasher.digest(of: encodedRecord.span))
    editTrailer(&trailer)
    return bytes + sealed(trailer.encodedWithoutHash()) + appended
  }
}

/// A trailer from its first 224 bytes and their hash.
public func sealed(_ trailer: [UInt8]) -> [UInt8] {
  trailer + SHA256Hasher.digest(of: trailer.span).bytes
}

/// Incompressible bytes, the same for the same seed (SplitMix64).
public func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  var result: [UInt8] = []
  result.reserveCapacity(count + 8)
  while result.count < count {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    word ^= word >> 31
    for shift in stride(from: 0, to: 64, by: 8) {
      result.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
    }
  }
  return Array(result.prefix(count))
}

public func digest(_ bytes: [UInt8]) -> Digest { SHA256Hasher.digest(of: bytes.span) }

extension Onefile {
  /// A onefile of files by path, and the directories above them.
  public init(files: [String: [UInt8]]) {
    self.init()
    var level: [(path: String, index: Int)] = [("", 0)]
    while !level.isEmpty {
      var next: [(path: String, index: Int)] = []
      for (path, index) in level {
        let start = path.isEmpty ? "" : path + "/"
        let below = files.keys.filter { $0.hasPrefix(start) }
        let names = Set(below.map { String($0.dropFirst(start.count).prefix { $0 != "/" }) })
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
          if let content = files[start + name] {
            add(name, in: index, content: content)
          } else {
            next.append((start + name, add(name, in: index, .directory())))
          }
        }
      }
      level = next
    }
  }

  /// A program, a directory, a file of two frames and a hole, and links.
  public static func sample() -> Onefile {
    var onefile = Onefile()
    let first = noise(5000, seed: 1)
    let last = noise(300, seed: 2)
    onefile.frames = [
      Frame(stored: first), Frame(stored: last),
    ]
    onefile.segments = [
      Manifest.Segment(frame: 0, offset: 0, length: 5000),
      Manifest.Segment(frame: nil, offset: 0, length: 200_000),
      Manifest.Segment(frame: 1, offset: 0, length: 300),
    ]
    let content = first + [UInt8](repeating: 0, count: 200_000) + last
    onefile.add(
      "big",
      .file(
        size: UInt64(content.count), segments: 0..<3, hash: digest(content), mode: 0o600))
    let directory = onefile.add("directory", .directory(mode: 0o711))
    onefile.add("empty", content: [], mode: 0o640)
    let program = onefile.add("program", content: [UInt8]("#!/bin/sh\n".utf8), mode: 0o777)
    onefile.add("again", in: directory, .hardLink(program))
    onefile.add("inner", in: directory, content: noise(10), mode: 0o600)
    onefile.add("link", in: directory, .symlink([UInt8]("../program".utf8)))
    return onefile
  }
}
