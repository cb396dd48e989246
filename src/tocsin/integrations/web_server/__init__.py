"""nginx and Apache httpd: access logs in the common, combined and vhost layouts, or in any layout described to us."""
