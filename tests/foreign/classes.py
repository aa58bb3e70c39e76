"""Classes of messages out of tables of numbers, names and types; no .proto of the program."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

SCALARS = {
    name: getattr(FieldDescriptor, f"TYPE_{name.upper()}")
    for name in ("int32", "int64", "string", "bytes", "bool", "float")
}


def classes(package, messages, enums):
    """Classes by name. `messages` has lines `Name: number field type; ...`, where a type may have
    `repeated` or be a map; `enums` are values by name. Written as of proto2, so that every field
    tells whether it was there; on the wire that is no difference."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.table", package=package)
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for text, number in values.items():
            enum.value.add(name=f"{name}_{text}", number=number)
    names = []
    for line in _joined(messages):
        name, fields = line.split(":", 1)
        # The items of a period are a message of their own here.
        name = name.replace(".", "_")
        names.append(name)
        message = file.message_type.add(name=name)
        for field in filter(None, (f.strip() for f in fields.split(";"))):
            _field(package, message, enums, *field.split(" ", 2))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{package}.{name}") for name in names)
    return {d.name: message_factory.GetMessageClass(d) for d in found}


def _joined(text):
    """Lines, with those that are indented added to the one before."""
    lines = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return lines


def _field(package, message, enums, number, name, kind):
    field = message.field.add(name=name, number=int(number), label=FieldDescriptor.LABEL_OPTIONAL)
    if kind.startswith("map<"):
        key, value = kind[len("map<") : -1].split(", ")
        entry = message.nested_type.add(name="".join(w.title() for w in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _field(package, entry, enums, "1", "key", key)
        _field(package, entry, enums, "2", "value", value)
        field.label = FieldDescriptor.LABEL_REPEATED
        field.type = FieldDescriptor.TYPE_MESSAGE
        field.type_name = f".{package}.{message.name}.{entry.name}"
        return
    if kind.startswith("repeated "):
        kind = kind.removeprefix("repeated ")
        field.label = FieldDescriptor.LABEL_REPEATED
    if kind in SCALARS:
        field.type = SCALARS[kind]
        return
    field.type = FieldDescriptor.TYPE_ENUM if kind in enums else FieldDescriptor.TYPE_MESSAGE
    field.type_name = f".{package}.{kind.replace('.', '_')}"
