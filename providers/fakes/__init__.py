"""Stand in for a vendor's HTTP API on loopback: state, time, pages, limits, all that goes wrong.

For tests of clouds, ours and other people's; the server never imports it. It needs nothing but the
standard library, so a fake also runs as a program of its own (:mod:`providers.fakes.program`).

* :mod:`~providers.fakes.engine`: what is the same under every vendor's words: a listener, routes,
  the token, the log of exchanges. Begin there.
* :mod:`~providers.fakes.machines`: machines that take time to boot, to be listed and to go, with
  stock and quota, for a vendor's fake to show in its own words.
* :mod:`~providers.fakes.faults`: lost and cut replies, 429 and 500, torn pages, gateways' pages.
* :mod:`~providers.fakes.limits`: rate limits as vendors have them, a bucket or a window.
* :mod:`~providers.fakes.troubles`: a whole cloud that is sick in one way.
"""
