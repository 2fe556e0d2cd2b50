"""The models that are known by name, what of them this machine can hold, what is worth pulling.

Start at `catalog.read_catalog`; `survey.survey` says what fits, `recommend` what earns its disk.
"""
