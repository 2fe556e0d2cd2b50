"""The commands of `cems starter`, a file each."""
