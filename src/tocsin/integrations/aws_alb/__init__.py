"""AWS Application Load Balancer: access logs."""
