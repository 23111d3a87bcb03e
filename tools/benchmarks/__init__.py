"""What tools/bench measures: a module for each section of docs/benchmarks.md, and what they share.

`launches` drives `onefold bench --json`, which measures every launch. `timing` measures the rest:
copying, archives, packing, unpacking alone, and the memory of one process. texts.md has the words
of the report. tools/common has what other tools use too. A module imports modules of lower levels
only:

    12  command
    11  report
    10  updates
     9  building
     8  levels  memory  packing  scale  sources
     7  cold  phases  servers  sizes  start  warm
     6  bench  machine
     5  contenders
     4  launches  specs
     3  workshop
     2  places  trees
     1  applications  pictures  timing
     0  chunks  figures  running  texts
"""
