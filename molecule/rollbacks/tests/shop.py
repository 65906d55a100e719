"""A service of somebody else."""

from __future__ import annotations

from foreign import Foreign

SHOP = Foreign("rollbacks")
OTHER = Foreign("rollbacks", name="cart")  # another one in the same VirtualService
