"""Write the source of a function with what its lines did at one well chosen call."""
