import PayloadFormat
import PayloadReader
import Posix
import Reporting

// What `ONEFOLD=status` prints (docs/launch.md, "One instance").

/// "server 1.2 is running: pid 123 at 127.0.0.1:8000, for 60 seconds, with 45,678,592 bytes in memory".
func statusText(_ record: LaunchRecord, _ instance: RunningInstance) -> Text {
  "\(escapedText(record.name)) \(escapedText(instance.version)) is running: \(instance.place), for \(counted(UInt64(clamping: WallClock.seconds(since: instance.started)), "second")), with \(counted(instance.memory, "byte")) in memory\n"
}

func statusJSON(_ record: LaunchRecord, _ instance: RunningInstance?) -> Text {
  var text: Text = instance == nil ? "{\"running\":false" : "{\"running\":true"
  text.append(member: "name", jsonText(record.name))
  if let instance {
    text.append(member: "version", jsonText(instance.version))
    text.append(member: "address", jsonText(instance.address))
    text.append(member: "file", jsonText(instance.file))
    text.append(member: "pid", number: UInt64(instance.process))
    text.append(member: "since", number: UInt64(clamping: instance.started.seconds))
    text.append(member: "memory", number: instance.memory)
  }
  text.append(literal: "}\n")
  return text
}

extension RunningInstance {
  /// Bytes in RAM; 0 if unknown.
  fileprivate var memory: UInt64 { ProcessHandle.residentBytes(of: process) }
}
