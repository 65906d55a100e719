"""What the collection costs and what it loses, measured side by side with kubernetes.core and kubectl; not shipped."""
