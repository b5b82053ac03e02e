"""IAM: credentials that no user can have here, as tools look for them before they delete a user.

Passwords, MFA devices, signing certificates, SSH keys and credentials of CodeCommit cannot be made
here (the operations that make them are refused by name): the lists are empty because nothing can be
in them.
"""

from __future__ import annotations

from sagebrush.errors import Doc
from sagebrush.services.iam import users
from sagebrush.services.iam.holders import USER
from sagebrush.services.iam.rows import missing, page
from sagebrush.world import Ctx, Operation


def _of_user(member: str) -> Operation:
    """An empty list of the user's; NoSuchEntity (404) for a user that is not there."""

    def listed(ctx: Ctx, request: Doc) -> Doc:
        if request.get("UserName"):
            USER.find(ctx, request)
        return page(member, [], request)

    return listed


OPERATIONS: dict[str, Operation] = {
    "ListMFADevices": _of_user("MFADevices"),
    "ListSSHPublicKeys": _of_user("SSHPublicKeys"),
    "ListServiceSpecificCredentials": _of_user("ServiceSpecificCredentials"),
    "ListSigningCertificates": _of_user("Certificates"),
    "ListVirtualMFADevices": lambda ctx, request: page("VirtualMFADevices", [], request),
}


def get_login_profile(ctx: Ctx, request: Doc) -> Doc:
    """NoSuchEntity (404): no user has a password."""
    raise _no_password(ctx, request)


def delete_login_profile(ctx: Ctx, request: Doc) -> None:
    """NoSuchEntity (404): no user has a password."""
    raise _no_password(ctx, request)


def _no_password(ctx: Ctx, request: Doc) -> Exception:
    name = users.named(ctx, request.get("UserName"))
    USER.find(ctx, {"UserName": name})
    return missing(f"Login Profile for User {name} cannot be found.")
