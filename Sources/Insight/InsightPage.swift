public import PayloadFormat
import Posix
import Reporting
import WebPage

/// What an update from an older onefile costs, for the page.
public struct UpdateCost: Sendable {
  public var old: String
  public var fetchedBytes: UInt64
  public var bytes: UInt64
  public var frames: Int
  public var reusedFrames: Int
  /// Owners or reasons, the most bytes first.
  public var causes: [(name: [UInt8], bytes: UInt64)]
  /// Versions are empty for those that came or went.
  public var distributions: [(name: [UInt8], old: [UInt8], new: [UInt8])]
  /// "12 files of other content" and the like.
  public var counts: [String]

  public init(
    old: String, fetchedBytes: UInt64, bytes: UInt64, frames: Int, reusedFrames: Int,
    causes: [(name: [UInt8], bytes: UInt64)],
    distributions: [(name: [UInt8], old: [UInt8], new: [UInt8])], counts: [String]
  ) {
    self.old = old
    self.fetchedBytes = fetchedBytes
    self.bytes = bytes
    self.frames = frames
    self.reusedFrames = reusedFrames
    self.causes = causes
    self.distributions = distributions
    self.counts = counts
  }
}

/// A page that shows what is in a onefile and what it weighs.
public struct InsightPage {
  let tree: MeasuredTree
  let composition: Composition
  let surprises: [Surprise]
  let update: UpdateCost?
  /// The application, as its launch record names it.
  let title: String
  /// Of the whole onefile.
  let fileBytes: UInt64
  let glibc: GlibcRequirement?
  /// The owner of the file that needs this glibc.
  let glibcOwner: [UInt8]
  /// Whether the file was packed from a spec.
  let hasSpec: Bool

  /// - Parameter update: nil if no older file was given.
  public init(
    title: String, fileBytes: UInt64, glibc: GlibcRequirement?, glibcOwner: [UInt8],
    hasSpec: Bool, tree: MeasuredTree, composition: Composition, surprises: [Surprise],
    update: UpdateCost?
  ) {
    self.hasSpec = hasSpec
    self.title = title
    self.fileBytes = fileBytes
    self.glibc = glibc
    self.glibcOwner = glibcOwner
    self.tree = tree
    self.composition = composition
    self.surprises = surprises
    self.update = update
  }

  /// The page as UTF-8.
  ///
  /// - Parameter heading: the program that wrote it, and the file's tree id.
  public func html(heading: String) -> [UInt8] {
    let script = WebPage.Script(
      code: InsightPage.script,
      data: PageData(tree, tree.owners.map { visibleText($0) }).bytes)
    let style = String(decoding: PackageResources.insight_css, as: UTF8.self)
    let page = WebPage(
      title: "What is in \(title)", heading: heading, style: style, script: script)
    return page.html(
      main: tiles + mapSection + surpriseSection + distributionSection + librarySection
        + glibcSection + updateSection)
  }

  /// The parts share the scope of one function.
  private static var script: [UInt8] {
    [UInt8]("\"use strict\";\n(() => {\n".utf8) + PackageResources.tree_js
      + PackageResources.map_js + PackageResources.tables_js + "})();\n".utf8
  }

  // MARK: Sections

  private var tiles: String {
    let distributions = composition.rows.count { $0.kind == .distribution }
    var figures = [
      ("the file", sizeText(fileBytes)), ("unpacked", sizeText(tree.manifest.contentLength)),
      ("files", grouped(UInt64(tree.manifest.fileCount)).string),
      ("distributions", grouped(UInt64(distributions)).string),
    ]
    if let glibc { figures.append(("glibc", String(decoding: glibc.version.text, as: UTF8.self))) }
    if let update { figures.append(("an update fetches", sizeText(update.fetchedBytes))) }
    let tiles = figures.map { name, value in
      "<div class=\"tile\"><div class=\"quiet\">\(name)</div>"
        + "<div class=\"figure\">\(escapedMarkup(value))</div></div>\n"
    }
    return "<section class=\"tiles\" aria-label=\"Figures\">\n\(tiles.joined())</section>\n"
  }

  private var mapSection: String {
    """
    <section aria-labelledby="map-title">
    <h2 id="map-title">Bytes</h2>
    <p class="quiet" id="map-help">Each box is a distribution, a directory or a file; its area is its bytes. Click a box \
    to look into it. With the keyboard: arrows move, Enter looks into a box, Backspace or Escape goes back, Home and End \
    go to the largest and the smallest.</p>
    <noscript><p>The boxes, the search and the sorting need a script, which this program does not run. The tables below \
    need none.</p></noscript>
    <div class="controls">
    <label for="search">Search files and distributions</label>
    <input type="search" id="search" autocomplete="off" spellcheck="false">
    <fieldset><legend>Sizes</legend>
    <label><input type="radio" name="measure" value="packed" checked> in the file</label>
    <label><input type="radio" name="measure" value="unpacked"> unpacked</label>
    </fieldset>
    </div>
    <nav aria-label="Place in the tree"><ol id="trail"></ol></nav>
    <div id="map" role="tree" aria-label="Bytes by distribution, directory and file" aria-describedby="map-help"></div>
    <p id="status" role="status" aria-live="polite"></p>
    <p class="legend quiet"><span><i class="program"></i>programs and libraries</span>\
    <span><i class="code"></i>code and text of programs</span><span><i class="data"></i>other files</span></p>
    <h3 id="files-title">Largest files</h3>
    <p class="quiet" id="files-note"></p>
    <div class="wide" role="region" aria-labelledby="files-title" tabindex="0"><table id="files"><thead><tr>\
    <th scope="col" class="text">path</th><th scope="col">in the file</th><th scope="col">unpacked</th>\
    <th scope="col" class="text">belongs to</th></tr></thead><tbody></tbody></table></div>
    <p class="quiet small">Bytes in the file are a share of compressed frames. Content that several files share counts for \
    the first of them, and the others take none.</p>
    </section>

    """
  }

  private var surpriseSection: String {
    guard !surprises.isEmpty else { return "" }
    var text =
      "<section aria-labelledby=\"surprises-title\">\n<h2 id=\"surprises-title\">Surprises</h2>\n"
    text +=
      "<p class=\"quiet\">What is large, and is rarely needed or is there more than once.</p>\n<ul class=\"surprises\">\n"
    for surprise in surprises {
      text += "<li><strong>\(escapedMarkup(surprise.title))</strong>: "
      text += escapedMarkup(surprise.sizeWords) + "<br><span class=\"quiet\">"
      text += surprise.paths.map { "<code>\(escapedMarkup($0))</code>" }.joined(separator: ", ")
      text += surprise.files > surprise.paths.count ? " and more" : ""
      text += "</span><br>\(escapedMarkup(surprise.advice(hasSpec: hasSpec)))</li>\n"
    }
    return text + "</ul>\n</section>\n"
  }

  private var glibcSection: String {
    var text = "<section aria-labelledby=\"glibc-title\">\n<h2 id=\"glibc-title\">glibc</h2>\n"
    if let glibc {
      let version = escapedMarkup(String(decoding: glibc.version.text, as: UTF8.self))
      text += "<p>The file runs on glibc \(version) or newer. The cause is <code>"
      text += escapedMarkup(visibleText(glibc.file)) + "</code>"
      text += glibcOwner.isEmpty ? "" : " of \(escapedMarkup(visibleText(glibcOwner)))"
      text += ".</p>\n"
    } else {
      text +=
        "<p>The file names no oldest glibc: nothing in it needs a version of it, or an older onefold packed it.</p>\n"
    }
    return text + "</section>\n"
  }

  private var updateSection: String {
    guard let update else { return "" }
    var text = "<section aria-labelledby=\"update-title\">\n<h2 id=\"update-title\">Update</h2>\n"
    let share =
      update.bytes == 0 ? 0 : (update.fetchedBytes * 1000 + update.bytes - 1) / update.bytes
    text += "<p>An update from <code>\(escapedMarkup(visibleText(update.old)))</code> fetches "
    text +=
      "\(grouped(update.fetchedBytes)) of \(counted(update.bytes, "byte")) (\(percent(share))). "
    text +=
      "\(grouped(UInt64(update.reusedFrames))) of \(counted(update.frames, "frame")) are in the older file.</p>\n"
    if !update.counts.isEmpty {
      text += "<p>Entries: \(escapedMarkup(update.counts.joined(separator: ", "))).</p>\n"
    }
    if !update.distributions.isEmpty {
      text +=
        MarkupTable(
          "update-distributions", "Distributions that differ",
          [.text("distribution"), .text("before"), .text("now")],
          update.distributions.map { [.text($0.name), .text($0.old), .text($0.new)] }
        ).markup
    }
    if !update.causes.isEmpty {
      text +=
        MarkupTable(
          "causes", "What is fetched", [.text("cause"), .number("bytes")],
          update.causes.map { [.text($0.name), .bytes($0.bytes)] }
        ).markup
    }
    return text + "</section>\n"
  }
}

/// "24.1 MB", "12.0 kB" or "12 bytes", rounded down.
func sizeText(_ bytes: UInt64) -> String {
  for (factor, unit) in [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")]
    as [(UInt64, String)]
  where bytes >= factor {
    return "\(bytes / factor).\(bytes / (factor / 10) % 10) \(unit)"
  }
  return counted(bytes, "byte").string
}
