"""The model families that can be run, a row each in `registry.FAMILIES`."""
