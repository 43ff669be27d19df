"""The regression gate: exact counts, paired times and accuracy, each against what was before."""
