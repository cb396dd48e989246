"""Every act that changes the address book."""

from tocsin.customers.importing import Progress, import_customers

__all__ = ["Progress", "import_customers"]
