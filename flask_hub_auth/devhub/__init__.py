"""A JetBrains Hub for development and tests, small enough to read in one sitting.

    hub = DevHub(url="https://hub.test/hub")     # in memory: ``hub.app`` is a WSGI application
    served = serve(DevHub(), port=0)             # on loopback, in a thread: ``served.url``, ``served.stop()``
    python -m flask_hub_auth.devhub --port 8099  # as a process of its own

Where to read what:

    services.py       what a service is
    people.py         who there is, and who may do what; seed.py: the ones that every Hub begins with
    scopes.py         what a ``scope`` parameter asks for
    tokens.py         what a token looks like, which ones are good
    sessions.py       who is signed in at this Hub
    hub.py            DevHub: the above together, and what tests do to it
    options.py        where Hubs differ, and what nobody has written down
    asked.py          what an authorization request asks for
    authorization.py  /oauth2/auth, the login form, the consent form
    grants.py         /oauth2/token; issuing.py: what it answers when all is well
    openid.py         discovery, keys, userinfo; id_tokens.py: how an id token is signed, and how it can be wrong
    rest.py           what Hub's REST tells everybody; caller.py: who asks; answers.py: what answers look like,
                      with fields.py and query.py for the parameters of these names
    users.py          users/me, other users, groups, permanent tokens
    registry.py       registering services
    permissions.py    the permission cache, at Hub and at a service that keeps its own
    youtrack.py       what a YouTrack says about its Hub
    pages.py          what a person sees
    cors.py           which other origins' pages may read answers
    gate.py           before all that: host names, the list of calls, faults
    faults.py         what can be made to go wrong
    control.py        /__dev__/, the remote control
    serving.py        HTTP/1.1 on loopback

It shares no code with the extension, and none with the OAuth library that the extension uses as a client: two
independent readings of Hub's documentation check each other.
"""

from .hub import DevHub
from .people import Project, User
from .permissions import own_permissions
from .services import HUB_ID, Service
from .serving import PortTaken, Served, serve

__all__ = ["HUB_ID", "DevHub", "PortTaken", "Project", "Served", "Service", "User", "own_permissions", "serve"]
