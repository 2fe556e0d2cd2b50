"""The commands of `cems history`, a file each."""
