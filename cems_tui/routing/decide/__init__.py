"""From estimates and prices to a choice: policies, the dial, what a budget allows. Pure."""
