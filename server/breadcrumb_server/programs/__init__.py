"""Store what programs have recorded that trace themselves, with ``breadcrumb.init()``, beside a database."""
