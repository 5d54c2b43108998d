"""Tell the history of a name: its writes with their values, its reads, the calls that got it as an argument."""
