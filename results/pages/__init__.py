"""What README and docs say of the reference results, a file a page."""
