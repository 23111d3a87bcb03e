// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target. Compiler flags of the Embedded bootloader are not here but in
/// `tools/toolsets`, so that one manifest builds in both modes.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

/// Settings of the modules that the Embedded bootloader is made of.
let shared: [SwiftSetting] = strict + [.treatWarning("EmbeddedRestrictions", as: .error)]

let package = Package(
  name: "onefold",
  products: [
    .executable(name: "onefold", targets: ["onefold"]),
    .executable(name: "Bootloader", targets: ["Bootloader"]),
  ],
  targets: [
    // System libraries.
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(
      name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
    .systemLibrary(
      name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CElf", pkgConfig: "libelf", providers: [.apt(["libelf-dev"])]),
    .systemLibrary(
      name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

    // Shared with the bootloader: compiled in ordinary and in Embedded Swift.
    .target(name: "CPosix"),
    .target(name: "CFilter"),
    .target(name: "PayloadFormat", swiftSettings: shared),
    .target(name: "Posix", dependencies: ["CPosix"], swiftSettings: shared),
    .target(name: "Reporting", dependencies: ["Posix"], swiftSettings: shared),
    .target(
      name: "ContentHash", dependencies: ["PayloadFormat", "CCrypto"], swiftSettings: shared),
    .target(
      name: "PayloadReader",
      dependencies: [
        "PayloadFormat", "Posix", "Reporting", "ContentHash", "CFilter", "CZstd", "CLZMA",
      ],
      swiftSettings: shared),
    .target(
      name: "CacheDirectory",
      dependencies: [
        "PayloadFormat", "PayloadReader", "Posix", "Reporting", "ContentHash", "CLZMA",
      ],
      swiftSettings: shared),
    .target(name: "CTrimmed"),
    .target(
      name: "Launcher",
      dependencies: [
        "PayloadFormat", "PayloadReader", "CacheDirectory", "ContentHash", "Posix", "Reporting",
      ],
      path: "Bootloader/Launcher", swiftSettings: shared),
    .executableTarget(
      name: "Bootloader", dependencies: ["Launcher", "Posix", "CTrimmed"], path: "Bootloader",
      exclude: ["Launcher"], swiftSettings: shared),

    // The packer.
    .target(name: "CProcesses", dependencies: ["CPosix"]),
    .target(
      name: "Processes", dependencies: ["CPosix", "CProcesses", "Posix"], swiftSettings: strict),
    .target(name: "OutputFiles", dependencies: ["Posix"], swiftSettings: strict),
    .target(
      name: "PayloadWriter",
      dependencies: [
        "BuildTools", "PayloadFormat", "PayloadReader", "Posix", "OutputFiles", "ContentHash",
        "Processes", "Reporting", "CFilter", "CZstd", "CLZMA",
      ],
      swiftSettings: strict),
    .target(name: "CSigning", dependencies: ["CCrypto"]),
    .target(
      name: "Signatures",
      dependencies: ["CSigning", "PayloadFormat", "PayloadReader", "Posix", "Processes"],
      swiftSettings: strict),
    .target(name: "CToml"),
    .target(name: "Licenses", resources: [.embedInCode("Data")], swiftSettings: strict),
    .target(
      name: "AppSpec", dependencies: ["CToml", "Licenses", "PayloadFormat", "Posix", "Processes"],
      resources: [.embedInCode("Python")],
      swiftSettings: strict),
    .target(
      name: "BuildTools",
      dependencies: [
        "ContentHash", "PayloadFormat", "OutputFiles", "Posix", "Processes", "Reporting",
      ],
      swiftSettings: strict),
    .target(
      name: "BinaryRelocation",
      dependencies: ["AppSpec", "BuildTools", "CElf", "PayloadFormat", "Posix", "Processes"],
      swiftSettings: strict),
    .target(
      name: "Inventory",
      dependencies: ["AppSpec", "ContentHash", "Licenses", "PayloadFormat", "Posix", "Reporting"],
      resources: [.embedInCode("Data")], swiftSettings: strict),
    .target(
      name: "PythonStaging",
      dependencies: [
        "AppSpec", "BinaryRelocation", "BuildTools", "CArchive", "ContentHash", "Inventory",
        "Licenses", "OutputFiles", "PayloadFormat", "Posix", "Processes", "Reporting",
      ],
      resources: [.embedInCode("Python")], swiftSettings: strict),
    .target(
      name: "WebPage", dependencies: ["ContentHash", "PayloadFormat", "Posix"],
      resources: [.embedInCode("Style")], swiftSettings: strict),
    .target(
      name: "Insight",
      dependencies: ["Inventory", "PayloadFormat", "Posix", "Reporting", "WebPage"],
      resources: [.embedInCode("Page")], swiftSettings: strict),
    .target(
      name: "Updates",
      dependencies: [
        "BuildTools", "ContentHash", "OutputFiles", "PayloadFormat", "PayloadReader", "Posix",
        "Processes", "Signatures",
      ],
      swiftSettings: strict),
    .target(
      name: "LaunchBench",
      dependencies: [
        "Launcher", "OutputFiles", "PayloadFormat", "PayloadReader", "Posix", "Processes",
        "Reporting", "WebPage",
      ],
      resources: [.embedInCode("Page")], swiftSettings: strict),
    .target(
      name: "OnefoldCLI",
      dependencies: [
        "AppSpec", "BinaryRelocation", "BuildTools", "CacheDirectory", "Insight", "Inventory",
        "LaunchBench", "Licenses", "OutputFiles", "PayloadFormat", "PayloadReader",
        "PayloadWriter", "Posix", "Processes", "PythonStaging", "Reporting", "Signatures",
        "Updates",
      ],
      swiftSettings: strict),
    .target(name: "CStatic"),
    .executableTarget(
      name: "onefold", dependencies: ["CStatic", "OnefoldCLI", "Posix"], swiftSettings: strict),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["PayloadFormat", "Posix", "Processes", "ContentHash"],
      path: "Tests/Support", swiftSettings: strict),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "AppSpec", "BinaryRelocation", "CLZMA", "CacheDirectory", "ContentHash", "Inventory",
        "Launcher", "Licenses", "PayloadFormat", "PayloadReader", "Posix", "Signatures",
      ],
      path: "Tests/Fuzz",
      exclude: ["Corpus", "make-seeds.py"], swiftSettings: strict),
    .testTarget(
      name: "PayloadFormatTests",
      dependencies: ["PayloadFormat", "FuzzTargets", "Posix", "TestSupport"],
      path: "Tests/PayloadFormat", swiftSettings: strict),
    .testTarget(
      name: "PosixTests", dependencies: ["Posix", "TestSupport"], path: "Tests/Posix",
      swiftSettings: strict),
    .testTarget(
      name: "ReportingTests", dependencies: ["Reporting", "Posix"], path: "Tests/Reporting",
      swiftSettings: strict),
    .testTarget(
      name: "ProcessesTests", dependencies: ["Processes", "Posix", "TestSupport"],
      path: "Tests/Processes", swiftSettings: strict),
    .testTarget(
      name: "OutputFilesTests", dependencies: ["OutputFiles", "Posix", "TestSupport"],
      path: "Tests/OutputFiles", swiftSettings: strict),
    .testTarget(
      name: "ContentHashTests", dependencies: ["ContentHash", "PayloadFormat", "Posix"],
      path: "Tests/ContentHash", swiftSettings: strict),
    .testTarget(
      name: "PayloadReaderTests",
      dependencies: [
        "PayloadReader", "PayloadFormat", "Posix", "CFilter", "CZstd", "CLZMA", "TestSupport",
      ],
      path: "Tests/PayloadReader", swiftSettings: strict),
    .testTarget(
      name: "PayloadWriterTests",
      dependencies: [
        "PayloadWriter", "PayloadReader", "PayloadFormat", "Posix", "TestSupport", "OutputFiles",
      ],
      path: "Tests/PayloadWriter", swiftSettings: strict),
    .testTarget(
      name: "CacheDirectoryTests",
      dependencies: ["CacheDirectory", "PayloadReader", "PayloadFormat", "Posix", "TestSupport"],
      path: "Tests/CacheDirectory", swiftSettings: strict),
    .testTarget(
      name: "LauncherTests",
      dependencies: [
        "CacheDirectory", "Launcher", "PayloadFormat", "PayloadReader", "Posix", "Reporting",
        "TestSupport",
      ],
      path: "Tests/Launcher", exclude: ["Snapshots"], swiftSettings: strict),
    .testTarget(
      name: "AppSpecTests",
      dependencies: [
        "AppSpec", "Licenses", "PayloadFormat", "Posix", "Reporting", "TestSupport", "Processes",
      ],
      path: "Tests/AppSpec", exclude: ["Snapshots"], swiftSettings: strict),
    .testTarget(
      name: "BuildToolsTests", dependencies: ["BuildTools", "Posix", "TestSupport"],
      path: "Tests/BuildTools", swiftSettings: strict),
    .testTarget(
      name: "BinaryRelocationTests",
      dependencies: ["BinaryRelocation", "PayloadFormat", "Posix", "TestSupport"],
      path: "Tests/BinaryRelocation", swiftSettings: strict),
    .testTarget(
      name: "LicensesTests", dependencies: ["Licenses"], path: "Tests/Licenses",
      swiftSettings: strict),
    .testTarget(
      name: "InventoryTests", dependencies: ["AppSpec", "Inventory", "Licenses", "Reporting"],
      path: "Tests/Inventory", swiftSettings: strict),
    .testTarget(
      name: "WebPageTests", dependencies: ["WebPage"], path: "Tests/WebPage",
      swiftSettings: strict),
    .testTarget(
      name: "InsightTests",
      dependencies: ["Insight", "Inventory", "PayloadFormat", "Reporting", "TestSupport"],
      path: "Tests/Insight", swiftSettings: strict),
    .testTarget(
      name: "PythonStagingTests",
      dependencies: [
        "PythonStaging", "AppSpec", "BinaryRelocation", "BuildTools", "Inventory", "PayloadFormat",
        "Posix", "TestSupport", "Processes",
      ],
      path: "Tests/PythonStaging", swiftSettings: strict),
    .testTarget(
      name: "LaunchBenchTests", dependencies: ["LaunchBench", "Posix", "TestSupport", "Reporting"],
      path: "Tests/LaunchBench", exclude: ["Golden"], swiftSettings: strict),
    .testTarget(
      name: "SignaturesTests",
      dependencies: [
        "Signatures", "CSigning", "PayloadFormat", "PayloadReader", "Posix", "TestSupport",
      ],
      path: "Tests/Signatures", swiftSettings: strict),
    .testTarget(
      name: "UpdatesTests",
      dependencies: ["Updates", "PayloadFormat", "PayloadReader", "Posix", "TestSupport"],
      path: "Tests/Updates", swiftSettings: strict),
    .testTarget(
      name: "OnefoldCLITests",
      dependencies: [
        "OnefoldCLI", "AppSpec", "LaunchBench", "PayloadFormat", "PayloadReader", "PayloadWriter",
        "Posix", "Processes", "TestSupport", "Reporting",
      ],
      path: "Tests/OnefoldCLI", exclude: ["Snapshots"], swiftSettings: strict),
  ],
  cxxLanguageStandard: .cxx17
)
