"""Messages of Protocol Buffers as this program writes them for people, from Python's own
descriptors: what `protocol::print` is held to.
"""

import importlib
import os
import re
import struct
import sys
import tempfile

from grpc_tools import protoc

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "..", "..", "proto")


def load(*names):
    """The messages of the first file; the others are those it imports."""
    out = tempfile.mkdtemp()
    files = [os.path.join(PROTO, f"{name}.proto") for name in names]
    if protoc.main(["protoc", f"-I{PROTO}", f"--python_out={out}", *files]) != 0:
        sys.exit(f"cannot compile {names}")
    sys.path.insert(0, out)
    return importlib.import_module(f"{names[0]}_pb2")


# Names as they are written in Rust.


def words(name):
    found = []
    for part in name.split("_"):
        found += re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z][A-Z0-9]*|[0-9]+", part)
    return [word.lower() for word in found]


def camel(name):
    return "".join(word.capitalize() for word in words(name))


def snake(name):
    return "_".join(words(name))


# Text: one field in a line, empty ones left out, numbers of enums by name.


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def quoted_bytes(data):
    known = {0: "\\0", 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
    plain = lambda b: chr(b) if 32 <= b < 127 else f"\\x{b:02x}"
    return 'b"' + "".join(known.get(b) or plain(b) for b in data) + '"'


def single(value):
    """The shortest decimal that is this 32-bit float."""
    for digits in range(1, 10):
        text = repr(float(f"{value:.{digits}g}"))
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return text
    return repr(value)


def scalar(field, value):
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        name = known.name if known is not None else None
        return str(value) if name is None else camel(name)
    if field.type == field.TYPE_STRING:
        return quoted(value)
    if field.type == field.TYPE_BYTES:
        return quoted_bytes(value)
    if field.type == field.TYPE_BOOL:
        return str(value).lower()
    return single(value) if field.type == field.TYPE_FLOAT else repr(value)


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_many(field):
    many = getattr(field, "is_repeated", None)
    return many if many is not None else field.label == field.LABEL_REPEATED


def is_one_of(field):
    """Optional scalars have a `oneof` of their own, which nobody wrote."""
    group = field.containing_oneof
    return group is not None and not group.name.startswith("_")


def one_of(field, value, indent):
    """Only messages are among several."""
    shown = text_of(value, indent + "        ")
    return [
        f"{indent}{snake(field.containing_oneof.name)}: Some(",
        f"{indent}    {camel(field.name)}(",
        f"{indent}        {shown},",
        f"{indent}    ),",
        f"{indent}),",
    ]


def text_of(message, indent=""):
    deeper = indent + "    "
    kind = message.DESCRIPTOR
    if not kind.fields:
        return camel(kind.name)
    lines = [camel(kind.name) + " {"]
    for field in kind.fields:
        value, name = getattr(message, field.name), snake(field.name)
        if is_one_of(field):
            if message.HasField(field.name):
                lines += one_of(field, value, deeper)
        elif is_map(field):
            of = field.message_type.fields_by_name["value"]
            shown = lambda v: text_of(v, deeper + "    ") if of.message_type else scalar(of, v)
            key = lambda k: quoted(k) if isinstance(k, str) else str(k)
            rows = [f"{deeper}    {key(k)}: {shown(value[k])}," for k in sorted(value)]
            lines += [f"{deeper}{name}: {{"] + rows + [f"{deeper}}},"] if rows else []
        elif is_many(field):
            inner = field.message_type is not None
            shown = lambda v: text_of(v, deeper + "    ") if inner else scalar(field, v)
            rows = [f"{deeper}    {shown(item)}," for item in value]
            lines += [f"{deeper}{name}: ["] + rows + [f"{deeper}],"] if rows else []
        elif field.has_presence:
            if message.HasField(field.name):
                inner = field.message_type is not None
                shown = text_of(value, deeper + "    ") if inner else scalar(field, value)
                lines += [f"{deeper}{name}: Some(", f"{deeper}    {shown},", f"{deeper}),"]
        elif field.enum_type is not None or value:
            lines.append(f"{deeper}{name}: {scalar(field, value)},")
    return "\n".join(lines + [indent + "}"])


def encoded(message):
    return message.SerializeToString(deterministic=True)


def filled(message, mark=0):
    """Every field gets a value of its own, also those in messages inside. Of a `oneof` the last
    stays."""
    for field in message.DESCRIPTOR.fields:
        mark += 1
        if is_map(field):
            of = field.message_type.fields_by_name
            for n in (1, 2):
                key = n if of["key"].type != field.TYPE_STRING else f"key {n}"
                mark = filled(getattr(message, field.name)[key], mark)
        elif field.message_type is not None and is_many(field):
            for _ in range(2):
                mark = filled(getattr(message, field.name).add(), mark)
        elif field.message_type is not None:
            mark = filled(getattr(message, field.name), mark)
        elif is_many(field):
            getattr(message, field.name).extend([value(field, mark), value(field, mark + 100)])
        else:
            setattr(message, field.name, value(field, mark))
    return mark


def value(field, mark):
    if field.type == field.TYPE_STRING:
        return f"{field.name} \"{mark}\" 山"
    if field.type == field.TYPE_BYTES:
        return bytes([mark, 0, 255, 34])
    if field.type == field.TYPE_BOOL:
        return True
    if field.type == field.TYPE_FLOAT:
        return mark + 0.1
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    # Negative numbers take ten bytes.
    return -mark if mark % 2 else mark * 1_000_003


def written(name, blocks):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        file.writelines(block + "\n" for block in blocks)


def block(source, name, payload, heading, message):
    return (
        f"== {name}\nsource: tests/golden/{source}, Python protobuf\nhex: {payload.hex()}\n"
        f"{heading}\n{text_of(message)}\n"
    )
