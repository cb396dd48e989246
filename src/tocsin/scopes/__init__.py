"""The answer 'who and what is affected', in numbered, frozen revisions."""
