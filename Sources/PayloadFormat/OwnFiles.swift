/// Files that the packer adds to a tree, by their paths from its root (docs/packing.md, "Software bill of materials").
public enum OwnFiles {
  /// The software bill of materials, in CycloneDX JSON.
  public static var inventory: StaticString { ".onefold/sbom.cdx.json" }
}
