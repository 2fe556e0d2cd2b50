"""The commands of `cems config`, a file each."""
