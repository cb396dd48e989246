"""Stand-ins for vendors, each written from the vendor's published documents and never from our client."""
