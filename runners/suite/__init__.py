"""What is asked: a TOML file becomes experiments, and these become the configurations of runs."""
