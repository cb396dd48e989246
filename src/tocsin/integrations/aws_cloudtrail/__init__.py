"""AWS CloudTrail: what was asked of AWS, by whom."""
