"""SMS over a provider's HTTP interface, in the form Twilio made common."""
