"""WhatsApp Business Platform, Cloud API: our own client."""
