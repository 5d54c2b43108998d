"""Standard rates in percent."""

RATES = {"AT": 20, "DE": 19, "FR": 20, "NL": 21}
