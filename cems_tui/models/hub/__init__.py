"""The Hub: how it is asked, what it answers, how a file of it comes whole onto the disk."""
