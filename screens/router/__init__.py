"""The place for routers: what each is worth, which is asked, where the dial stands on its curve."""
