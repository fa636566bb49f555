"""Read what a refusal says in plain English, where no word of the vendor's own table decides.

Vendors that have sentences and no codes change them, and what stands in front of an API (a proxy, a
reseller, another fake) has its own. A sentence that says outright that a machine type is sold out,
or that an account may have no more machines, is believed: the next candidate is tried, and the
autoscaler takes another group. A quota holds up every group of the account for a while, so a
sentence that may be about anything else stays our mistake (BadOrder), as does anything less plain.
The sentence is shown all the same.
"""

from __future__ import annotations

import re

from providers import errors

_STOCK = re.compile(
    r"\b(sold[ -]out|out[ -]of[ -]stock|no availability)\b"
    r"|\b(no|not enough|insufficient|out of|lacks?)\b[^.;]{0,30}\b(capacity|stock)\b"
    r"|\b(plan|type|size|region|location)\b[^.;]{0,60}"
    r"\b(unavailable|(not|no longer)( \w+)? available)\b"
)
_LIMIT = re.compile(r"\b(limits?|quota|maximum)\b")
_OVER = re.compile(r"\b(reach|reached|exceed|exceeds|exceeded|hit)\b")
_MACHINES = re.compile(
    r"\b(instances?|servers?|machines?|vms?|linodes?|droplets?|vcpus?|services)\b"
    r"|\baccount('s)? (limit|quota)\b|\b(limit|quota) (of|on|for) (your|this|the) account\b"
)
_OF_SOMETHING_ELSE = re.compile(
    r"\b(images?|snapshots?|keys?|tags?|labels?|rate|requests?|bytes|characters|user.?data|metadata"
    r"|networks?|subnets?|vpcs?|firewalls?|volumes?|disks?|placement|backups?|length|long|names?"
    r"|hostnames?|passwords?|scripts?|ips?|ipv[46]|addresses|sessions?|api|calls?|isos?|users?"
    r"|verified|exist|exists|invalid|valid)\b"
)


def meaning(sentence: str) -> type[errors.CloudError] | None:
    """Return what a vendor's sentence about an order says by itself; None where it is not plain."""
    text = sentence.lower()
    if _OF_SOMETHING_ELSE.search(text):
        return None
    if _STOCK.search(text):
        return errors.OutOfStock
    if _LIMIT.search(text) and _OVER.search(text) and _MACHINES.search(text):
        return errors.QuotaExceeded
    return None
