"""Who may do what: users, roles, groups, keys, sessions, policies and their evaluation."""

from sagebrush.engines.identity.documents import PolicyDocument, PolicyMalformed
from sagebrush.engines.identity.errors import EntityExists, EntityNotFound, IdentityError
from sagebrush.engines.identity.evaluator import AccessRequest, Decision, NamedPolicy
from sagebrush.engines.identity.records import Credential, Entity, Identity
from sagebrush.engines.identity.store import IdentityStore

__all__ = [
    "AccessRequest",
    "Credential",
    "Decision",
    "Entity",
    "EntityExists",
    "EntityNotFound",
    "Identity",
    "IdentityError",
    "IdentityStore",
    "NamedPolicy",
    "PolicyDocument",
    "PolicyMalformed",
]
