import Posix
import Reporting
import Testing

@Suite struct TimelineTests {
  @Test func phasesFollowOneAnother() {
    let timeline: Timeline? = Timeline(.read)
    timeline.begin(.find)
    timeline.set(bytes: 7)
    timeline.begin(.find)
    timeline?.end()
    let phases = timeline?.phases ?? []
    #expect(phases.map(\.name) == [.read, .find, .find])
    #expect(phases.map(\.bytes) == [0, 7, 0])
    #expect(phases[0].end == phases[1].start && phases[1].end == phases[2].start)
    #expect(phases[2].end >= phases[2].start)
  }

  @Test func workersRecordStepsAndFrames() throws {
    let timeline: Timeline? = Timeline(.unpack)
    let workers = timeline.makeWorkers(2)
    workers[1].begin(frame: 3)
    workers[1].end(.read, bytes: 10)
    workers[1].endFrame(.write, bytes: 20)
    let events = try #require(workers[1]).events
    #expect(events.map(\.name) == [.read, .write, .frame])
    #expect(events.map(\.bytes) == [10, 20, 20])
    #expect(events.allSatisfy { $0.frame == 3 })
    #expect(events[0].end == events[1].start && events[0].start == events[2].start)
    #expect(events[1].end == events[2].end)
    let text = try #require(timeline).chromeTrace(of: "a \"b\"").string
    #expect(text.contains("\"a \\\"b\\\"\"") && text.contains("\"worker 1\""))
  }

  @Test func withoutATimelineThereIsNothing() {
    let timeline: Timeline? = nil
    timeline.begin(.check)
    timeline.set(bytes: 1)
    let workers = timeline.makeWorkers(3)
    #expect(workers.count == 3 && workers.allSatisfy { $0 == nil })
    workers[0].begin(frame: 0)
    workers[0].end(.read, bytes: 1)
    workers[0].endFrame(.write, bytes: 1)
  }
}
