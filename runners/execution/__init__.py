"""From a suite to its records: the plan, the executor that its jobs go into, and the order of it all."""
