"""What needs an accelerator to be measured."""
