"""Models as files: pulled from the Hub, verified, imported, removed; never loaded here."""
