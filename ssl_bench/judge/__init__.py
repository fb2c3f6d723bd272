"""Whether pretraining helped on a user's own data."""
