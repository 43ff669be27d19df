"""What is kept: one record a run, written whole or not at all, and the machine that it was made on."""
