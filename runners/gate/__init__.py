"""The regression gate: exact counts, paired times and accuracy, each against what was before.

Tier 0 counts (`counters`), tier 1 times two commits side by side (`times`), tier 2 trains (`accuracy`); `check` puts
them together. A tier says what it compared, what it found, and whether that blocks.
"""
