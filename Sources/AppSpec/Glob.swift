/// Whether a text matches a pattern in which `*` stands for any bytes and `?` for one.
public func matchesGlob(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
  // Greedy with one backtracking point: linear except for the last star.
  var pattern = pattern
  var text = text
  var retry: (pattern: ArraySlice<UInt8>, text: ArraySlice<UInt8>)? = nil
  while true {
    if pattern.first == UInt8(ascii: "*") {
      pattern = pattern.dropFirst()
      retry = (pattern, text)
    } else if let byte = text.first {
      if let wanted = pattern.first, wanted == byte || wanted == UInt8(ascii: "?") {
        pattern = pattern.dropFirst()
        text = text.dropFirst()
      } else if let (old, from) = retry, !from.isEmpty {
        pattern = old
        text = from.dropFirst()
        retry = (old, text)
      } else {
        return false
      }
    } else {
      return pattern.isEmpty
    }
  }
}
