"""What tools/bench measures, a module for each section of docs/benchmarks.md."""
