"""AWS access keys: deactivated through IAM, read back, and put in force again where that is wanted."""
