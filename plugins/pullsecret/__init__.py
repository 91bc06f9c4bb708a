"""kubectl pullsecret: registry credentials that are proven before they are written, and attached without losing any."""
