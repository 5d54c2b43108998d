"""Name the lines that failed tests executed and few of the passing tests of their files did."""
