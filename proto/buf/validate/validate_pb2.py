"""Registers buf/validate/validate.proto with protobuf's descriptor pool.

protoc's generated modules import this name, but protovalidate >= 2 ships the rules for another runtime only. The
descriptor is therefore read from the installed package; nothing of it is copied into the repository.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2
from google.protobuf.internal import builder
from protovalidate._gen.buf.validate import validate_pb

# Imported for their side effect: the rules' descriptor depends on these files.
DEPENDENCIES = (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2)

SERIALIZED: bytes = validate_pb.desc().proto.to_binary()

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(SERIALIZED)
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, "buf.validate.validate_pb2", globals())
