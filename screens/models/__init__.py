"""The place for models: what there is, what fits, what is pulled."""
