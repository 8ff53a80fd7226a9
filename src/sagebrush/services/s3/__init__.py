"""Amazon S3 on the object store engine.

Kept, checked and answered but not acted upon: lifecycle rules; bucket notification, logging,
replication, acceleration, request payment and website settings; storage classes (all bytes lie
on the same disk); and encryption at rest: headers are checked and answered as S3 does, and a
customer's key is demanded again on reading, but the bytes are stored as they came.
"""
