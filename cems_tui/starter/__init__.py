"""The embedded starter pack: its files, its words, the prompts of its grammar.

`recipe` trains it; nothing else imports that.
"""
