"""What was generated, what it cost and how it scored: SQLite rows and PNG receipts."""
