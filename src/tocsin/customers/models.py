"""Tables of the people we may have to tell."""

from django.db import models

from tocsin.customers.values import AddressKind
from tocsin.kernel.ids import new_id


class CustomerPerson(models.Model):
    """A person. The key is the operator's own id of the person, or ``account:`` and the account where there is none."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.TextField(unique=True)
    name = models.TextField(blank=True)
    language = models.TextField(blank=True)
    changed_at = models.DateTimeField()


class CustomerAccount(models.Model):
    """A log-in in the protected product, as its logs name it, and whose it is."""

    account = models.TextField(primary_key=True)
    person = models.ForeignKey(CustomerPerson, on_delete=models.CASCADE, related_name="accounts")


class CustomerAddress(models.Model):
    """One way to reach a person. Several people may share one: a family's telephone."""

    id = models.BigAutoField(primary_key=True)
    # The unique constraint below finds a person's addresses: no index of its own.
    person = models.ForeignKey(CustomerPerson, on_delete=models.CASCADE, related_name="addresses", db_index=False)
    kind = models.TextField()
    value = models.TextField()
    preferred = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "kind", "value"], name="customer_address_once"),
            models.CheckConstraint(condition=models.Q(kind__in=list(AddressKind)), name="customer_address_kind_known"),
        ]
        indexes = [
            models.Index(fields=["kind", "value"], name="customer_address_value"),  # who wrote to us
        ]
