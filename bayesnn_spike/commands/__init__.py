"""What `bayesnn-spike` does, one file a group of commands. Heavy imports are inside functions."""
