"""Messages to the operator's own product as Standard Webhooks: in-app messages, or anything it makes of them."""
