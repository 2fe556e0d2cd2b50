"""The place for benchmarks: chosen, billed, run, watched, read."""
