"""What the STS folder holds."""

from __future__ import annotations

from sagebrush.services.declaration import Service

SERVICE = Service(
    name="sts",
    modules=("sagebrush.services.sts.caller", "sagebrush.services.sts.sessions"),
)
