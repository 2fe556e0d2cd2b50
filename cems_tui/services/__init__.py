"""Use cases of both windows. Every part comes as an argument; `profile` composes them."""
