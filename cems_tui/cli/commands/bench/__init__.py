"""The commands of `cems bench`, a file each."""
