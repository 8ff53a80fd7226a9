"""The Record message built at run time with Google's protobuf library, to check ours against."""

import struct
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto


def _tensor(file: Any, name: str, kind: int, packed: bool = True) -> None:
    message = file.message_type.add(name=name)
    for number, (field, field_kind) in enumerate(
        [("values", kind), ("keys", _F.TYPE_UINT64), ("shape", _F.TYPE_UINT64)], 1
    ):
        added = message.field.add(
            name=field, number=number, type=field_kind, label=_F.LABEL_REPEATED
        )
        added.options.packed = packed


def _map(record: Any, name: str, number: int) -> None:
    entry_name = f"{name.capitalize()}Entry"
    entry = record.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_F.TYPE_STRING, label=_F.LABEL_OPTIONAL)
    entry.field.add(
        name="value", number=2, type=_F.TYPE_MESSAGE, label=_F.LABEL_OPTIONAL, type_name=".t.Value"
    )
    record.field.add(
        name=name,
        number=number,
        type=_F.TYPE_MESSAGE,
        label=_F.LABEL_REPEATED,
        type_name=f".t.Record.{entry_name}",
    )


def _record_class(packed: bool) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="t", syntax="proto2")
    kinds = {"float32": _F.TYPE_FLOAT, "float64": _F.TYPE_DOUBLE, "int32": _F.TYPE_INT32}
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for (name, kind), number in zip(kinds.items(), (2, 3, 7), strict=True):
        _tensor(file, f"{name.capitalize()}Tensor", kind, packed)
        value.field.add(
            name=f"{name}_tensor",
            number=number,
            type=_F.TYPE_MESSAGE,
            label=_F.LABEL_OPTIONAL,
            type_name=f".t.{name.capitalize()}Tensor",
            oneof_index=0,
        )
    record = file.message_type.add(name="Record")
    _map(record, "features", 1)
    _map(record, "label", 2)
    for name, number in (("uid", 3), ("metadata", 4), ("configuration", 5)):
        record.field.add(name=name, number=number, type=_F.TYPE_STRING, label=_F.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Record"))


Record = _record_class(packed=True)
UnpackedRecord = _record_class(packed=False)


def frame(payload: bytes) -> bytes:
    padding = b"\0" * (-len(payload) % 4)
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + padding


def tensor_of(value: Any, array: np.ndarray) -> Any:
    """The tensor of the Value that fits the array's dtype, holding the array."""
    name = {"float32": "float32", "float64": "float64", "int32": "int32", "int64": "int32"}[
        array.dtype.name
    ]
    tensor = getattr(value, f"{name}_tensor")
    tensor.values.extend(array.tolist())
    return tensor


def dense(features: np.ndarray, label: np.ndarray | None = None, **strings: str) -> Any:
    record = Record(**strings)
    tensor_of(record.features["values"], features)
    if label is not None:
        tensor_of(record.label["values"], label)
    return record


def sparse(keys: Any, values: np.ndarray, width: int, label: np.ndarray | None = None) -> Any:
    record = Record()
    tensor = tensor_of(record.features["values"], values)
    tensor.keys.extend(list(keys))
    tensor.shape.append(width)
    if label is not None:
        tensor_of(record.label["values"], label)
    return record


def stream(*records: Any) -> bytes:
    """Framed records as the protobuf library writes them."""
    return b"".join(frame(record.SerializeToString(deterministic=True)) for record in records)
