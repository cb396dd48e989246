"""syslog files, with what sshd, PAM and sudo say of log-ins."""
