"""The networks of the pack and how each is trained."""
