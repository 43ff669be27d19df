"""What each algorithm costs: times, exact counts, scaling laws, and the ratios to other code."""
