"""What a route is: its path, methods, parameters and answers, declared once.

From a declaration comes the check of each request (:mod:`.serving`) and the OpenAPI document
(:mod:`.openapi`), so the two cannot differ.
"""

from marinemap.api.declarations.documents import Document, Versioned
from marinemap.api.declarations.operation import Answer, Body, Operation, Parameter, Route

__all__ = ["Answer", "Body", "Document", "Operation", "Parameter", "Route", "Versioned"]
