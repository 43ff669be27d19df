"""One run: train, let run free, measure."""
