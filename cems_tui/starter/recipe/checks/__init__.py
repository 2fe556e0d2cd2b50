"""Whether a picture shows what was asked, and how often a pack draws so."""
