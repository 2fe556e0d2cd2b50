"""Long suites, run by hand: hostile inputs, faults at random moments, thousands of pictures.

A small fixed sample of each runs with the other tests. `python -m tests.suites.inputs`,
`python -m tests.suites.faults`, `python -m tests.suites.terminal` and `python -m tests.suites.soak`
run them whole.
"""
