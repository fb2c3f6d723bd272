"""What tasks and data sets are. Imports no toolkit."""
