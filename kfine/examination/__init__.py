"""What is in a data set and what may be wrong with it; nothing here changes it."""
