"""A signed webhook: any product takes measures itself and reports back what people have done."""
