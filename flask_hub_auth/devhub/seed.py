"""Who and what every dev Hub begins with, under the same ids at each start."""

from __future__ import annotations

from .people import People
from .services import HUB_ID, Service

# Two projects that permissions can be held in.
APOLLO_ID = "3fa9c1d0-0000-4000-8000-000000000001"
HERMES_ID = "3fa9c1d0-0000-4000-8000-000000000002"

# A second service to ask tokens for. It signs nobody in.
YOUTRACK_ID = "d2c5b7a4-0000-4000-8000-000000000001"

# Hub's own keys, as far as clients were seen to use them; ``service-create`` and ``service-update`` are spelled after
# the names in Hub's documentation ("Create Service", "Update Service").
HUB_PERMISSIONS = (
    "jetbrains.jetpass.user-read-basic",
    "jetbrains.jetpass.user-read",
    "jetbrains.jetpass.profile-updateSelf",
    "jetbrains.jetpass.group-read",
    "jetbrains.jetpass.project-read-basic",
    "jetbrains.jetpass.project-create",
    "jetbrains.jetpass.project-update",
    "jetbrains.jetpass.service-read",
    "jetbrains.jetpass.service-create",
    "jetbrains.jetpass.service-update",
)
YOUTRACK_PERMISSIONS = (
    "JetBrains.YouTrack.READ_ISSUE",
    "JetBrains.YouTrack.CREATE_ISSUE",
    "JetBrains.YouTrack.UPDATE_ISSUE",
    "JetBrains.YouTrack.READ_REPORT",
)
DEMO_PERMISSIONS = ("demo.report-read", "demo.report-update", "demo.settings-update")

# Group, key, and the projects it is held in; none: everywhere. System administrators hold every key everywhere.
HELD = (
    ("All Users", "jetbrains.jetpass.user-read-basic", ()),
    ("All Users", "jetbrains.jetpass.profile-updateSelf", ()),
    ("All Users", "jetbrains.jetpass.project-read-basic", ()),
    ("All Users", "JetBrains.YouTrack.READ_ISSUE", (APOLLO_ID,)),
    ("Developers", "jetbrains.jetpass.user-read", ()),
    ("Developers", "jetbrains.jetpass.group-read", ()),
    ("Developers", "jetbrains.jetpass.service-read", ()),
    ("Developers", "jetbrains.jetpass.project-update", (APOLLO_ID,)),
    ("Developers", "JetBrains.YouTrack.READ_ISSUE", (HERMES_ID,)),
    ("Developers", "JetBrains.YouTrack.CREATE_ISSUE", (APOLLO_ID, HERMES_ID)),
    ("Developers", "JetBrains.YouTrack.UPDATE_ISSUE", (APOLLO_ID,)),
    ("Developers", "demo.report-read", ()),
    ("Developers", "demo.report-update", (APOLLO_ID,)),
)


def seed(people: People, service: Service, *, guest: bool) -> None:
    """Fills an empty Hub: ``service`` beside what it always has.

    Without ``guest`` the guest is banned: that is how Hub's own settings page does it.
    """
    people.add_group("All Users")
    people.add_group("Staff")
    people.add_group("Developers", parent="Staff")
    people.add_group("Administrators", parent="Staff")
    people.add_user("admin", "Ada Admin", groups=["All Users", "Administrators"], admin=True)
    people.add_user("jane", "Jane Doe", groups=["All Users", "Developers"])
    people.users["jane"].id = "c6b6e9c6-0000-4000-8000-000000000001"
    people.add_user("john", "John Roe", groups=["All Users"])
    people.add_user("mallory", "Mallory Moe", groups=["All Users"], banned=True)
    people.add_user("guest", "guest", guest=True, banned=not guest, email=None)
    people.add_project(APOLLO_ID, "Apollo")
    people.add_project(HERMES_ID, "Hermes")
    hub = Service(HUB_ID, "Hub", application_name="Hub", trusted=True, permissions=list(HUB_PERMISSIONS))
    people.add_service(hub)
    people.add_service(service)
    youtrack = Service(YOUTRACK_ID, "YouTrack", trusted=True, permissions=list(YOUTRACK_PERMISSIONS))
    if service.name != youtrack.name:
        people.add_service(youtrack)
    for group, key, projects in HELD:
        people.groups[group].permissions[key] = set(projects or (people.EVERYWHERE,))
