"""For people who test their applications: a Hub, a browser and a clock, all in memory.

The fixtures of :mod:`.plugin` come with the package; pytest finds them by itself.
"""
