"""Amazon S3 on the object store engine.

Kept and answered but not acted upon: bucket notification, logging, replication, acceleration,
request payment and website settings; storage classes (all bytes lie on the same disk); and
encryption at rest: the headers are checked and answered as S3 does and keys of the customer are
demanded again on reading, but the bytes are stored as they came.
"""
