"""Asynchronous endpoints: requests wait in rows until an instance has room for them."""
