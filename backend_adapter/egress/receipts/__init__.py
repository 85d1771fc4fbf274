"""Receipts: what left the site, when, for whom, to whom and by which line of the policy.

They are kept in the adapter's database, appended only, each bound to the one before it by a hash, so that a
receipt that was changed or taken away later is noticed by whoever kept a later hash elsewhere.
"""
