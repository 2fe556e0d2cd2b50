"""The commands of `cems queue`."""
