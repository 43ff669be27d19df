"""Published numbers beside ours: the same setting, the same score, and the reason where they differ."""
