import PayloadFormat
import Posix
import Reporting

// What `ONEFOLD=status` prints (docs/launch.md, "One instance").

/// "server 1.2 is running: pid 123 at 127.0.0.1:8000, for 60 seconds, with 45,678,592 bytes in memory".
func statusText(_ record: LaunchRecord, _ instance: RunningInstance) -> Text {
  var text = escapedText(record.name)
  if !instance.version.isEmpty { text += " \(escapedText(instance.version))" }
  let seconds = UInt64(clamping: WallClock.seconds(since: instance.started))
  let memory = ProcessHandle.residentBytes(of: instance.process)
  text += " is running: \(instance.place), for \(counted(seconds, "second"))"
  text += ", with \(counted(memory, "byte")) in memory\n"
  return text
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
    text.append(member: "memory", number: ProcessHandle.residentBytes(of: instance.process))
  }
  text.append(literal: "}\n")
  return text
}
