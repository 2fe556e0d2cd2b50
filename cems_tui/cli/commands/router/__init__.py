"""The commands of `cems router`, a file each."""
