"""What the program does of itself to know better: pictures drawn again, drafts, dearer tries."""
