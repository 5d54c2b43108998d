"""Answer find_gaps: functions that traced code called and that were not traced, and patterns that include them."""
