"""HTTP without a framework: the table of routes, and how a request becomes a response.

A door (`ostiary.asgi`) turns what its server gives into a `Request`, asks a `Router`, and sends the `Response`.
"""
