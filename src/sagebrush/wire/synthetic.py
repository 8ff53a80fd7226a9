"""Operations that clients use over HTTP but that botocore's models do not describe.

Written in the models' own format and merged into the packs, so that routing, parsing and
serialising treat them like every other operation.
"""

from __future__ import annotations

from typing import Any

_BUCKET = {"shape": "BucketName", "location": "uri", "locationName": "Bucket"}
_KEY = {"shape": "ObjectKey", "location": "uri", "locationName": "Key"}

# https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html (browser form upload) and
# https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html (CORS preflight).
_S3: dict[str, Any] = {
    "operations": {
        "PostObject": {
            "name": "PostObject",
            "http": {"method": "POST", "requestUri": "/{Bucket}", "responseCode": 204},
            "input": {"shape": "PostObjectRequest"},
            "output": {"shape": "PostObjectOutput"},
        },
        "OptionsObject": {
            "name": "OptionsObject",
            "http": {"method": "OPTIONS", "requestUri": "/{Bucket}/{Key+}"},
            "input": {"shape": "OptionsObjectRequest"},
            "output": {"shape": "OptionsObjectOutput"},
        },
        "OptionsBucket": {
            "name": "OptionsBucket",
            "http": {"method": "OPTIONS", "requestUri": "/{Bucket}"},
            "input": {"shape": "OptionsBucketRequest"},
            "output": {"shape": "OptionsObjectOutput"},
        },
    },
    "shapes": {
        "SyntheticString": {"type": "string"},
        "SyntheticInteger": {"type": "integer"},
        "PostObjectRequest": {
            "type": "structure",
            "required": ["Bucket", "ContentType"],
            "members": {
                "Bucket": _BUCKET,
                "ContentType": {
                    "shape": "SyntheticString",
                    "location": "header",
                    "locationName": "Content-Type",
                },
                "Body": {"shape": "Body", "streaming": True},
            },
            "payload": "Body",
        },
        "PostObjectOutput": {
            "type": "structure",
            "members": {
                "StatusCode": {"shape": "SyntheticInteger", "location": "statusCode"},
                "Location": {
                    "shape": "SyntheticString",
                    "location": "header",
                    "locationName": "Location",
                },
                "ETag": {"shape": "ETag", "location": "header", "locationName": "ETag"},
                "VersionId": {
                    "shape": "ObjectVersionId",
                    "location": "header",
                    "locationName": "x-amz-version-id",
                },
                "PostResponse": {"shape": "PostResponse", "locationName": "PostResponse"},
            },
            "payload": "PostResponse",
        },
        "PostResponse": {
            "type": "structure",
            "members": {
                "Location": {"shape": "SyntheticString"},
                "Bucket": {"shape": "BucketName"},
                "Key": {"shape": "ObjectKey"},
                "ETag": {"shape": "ETag"},
            },
        },
        "OptionsObjectRequest": {
            "type": "structure",
            "required": ["Bucket", "Key"],
            "members": {"Bucket": _BUCKET, "Key": _KEY},
        },
        "OptionsBucketRequest": {
            "type": "structure",
            "required": ["Bucket"],
            "members": {"Bucket": _BUCKET},
        },
        "OptionsObjectOutput": {"type": "structure", "members": {}},
    },
}
for _shape in ("OptionsObjectRequest", "OptionsBucketRequest"):
    for _member, _header in (
        ("Origin", "Origin"),
        ("RequestMethod", "Access-Control-Request-Method"),
        ("RequestHeaders", "Access-Control-Request-Headers"),
    ):
        _S3["shapes"][_shape]["members"][_member] = {
            "shape": "SyntheticString",
            "location": "header",
            "locationName": _header,
        }
for _member, _header in (
    ("AllowOrigin", "Access-Control-Allow-Origin"),
    ("AllowMethods", "Access-Control-Allow-Methods"),
    ("AllowHeaders", "Access-Control-Allow-Headers"),
    ("ExposeHeaders", "Access-Control-Expose-Headers"),
    ("MaxAge", "Access-Control-Max-Age"),
    ("AllowCredentials", "Access-Control-Allow-Credentials"),
    ("Vary", "Vary"),
):
    _S3["shapes"]["OptionsObjectOutput"]["members"][_member] = {
        "shape": "SyntheticString",
        "location": "header",
        "locationName": _header,
    }

# ReceiveMessage's AttributeNames are those of messages (its API reference); the model says those of
# queues. SQS refuses a name it does not know in words of its own, so none is left to the model.
_SQS: dict[str, Any] = {
    "operations": {},
    "shapes": {
        "SyntheticName": {"type": "string"},
        "AttributeNameList": {"member": {"shape": "SyntheticName"}},
        "QueueAttributeMap": {"key": {"shape": "SyntheticName"}},
    },
}

SYNTHETIC_MODELS: dict[str, dict[str, Any]] = {"s3": _S3, "sqs": _SQS}
