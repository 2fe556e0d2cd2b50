"""The place of the settings: what each means, what it is, what it can be."""
