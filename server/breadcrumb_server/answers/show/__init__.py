"""Answer show: functions with what their lines did."""
