"""Stand-ins for what the toolkits expect to be compiled."""
