"""What tools/bench measures: a module for each section of docs/benchmarks.md, and what they share.

`launches` drives `onefold bench --json`, which measures every launch. `timing` measures the rest:
copying, archives, packing, unpacking alone, and the memory of one process. texts.md has the words
of the report. tools/common has what other tools use too. A module imports modules of lower levels
only:

    12  command
    11  report
    10  building  scale
     9  packing  servers  starts  unpacking  updates  warm
     8  bench  machine
     7  contenders
     6  launches  specs
     5  workshop
     4  trees
     3  applications  places
     2  timing
     1  pictures  running
     0  chunks  figures  texts
"""
