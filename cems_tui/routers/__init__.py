"""The life of the routers of this machine: trained, judged, used, mapped, passed on, explained."""
