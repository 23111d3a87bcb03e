"""What tools/bench measures: a module for each section of docs/benchmarks.md, and what they share.

`launches` drives `onefold bench --json`, which measures every launch. `running` measures the rest:
copying, archives, packing, unpacking alone, and the memory of one process. texts.md has the words
of the report. tools/common has what other tools use too. A module imports modules of lower levels
only:

    11  command
    10  report
     9  building  scale
     8  packing  servers  starts  unpacking  updates  warm
     7  bench  machine
     6  contenders
     5  launches  specs
     4  workshop
     3  trees
     2  applications  places
     1  pictures  running
     0  chunks  figures  texts
"""
