"""Messages out and in on any channel, exactly accounted for."""
