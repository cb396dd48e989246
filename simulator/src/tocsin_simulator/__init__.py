"""A WhatsApp Cloud API that remembers, and an SMTP catcher, for tests of anything that sends messages."""
