"""From records to what is read: the summary, and from it tables and figures."""
