"""What the toolkits need to work with current packages, uncompiled."""
