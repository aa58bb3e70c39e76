"""Messages filled and compared field by field, whatever their revision."""

from google.protobuf.descriptor import FieldDescriptor

from wire import WHOLE, both, fields

# Filled messages within messages are no deeper than that.
DEPTH = 4


def is_map(field):
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def fill(wire, name, **values):
    """A message with a value of its own in every field, that fits both revisions' types; `values`
    are written over it."""
    message = wire.kind(name)()
    _fill(message, [kind.DESCRIPTOR for kind in both(name)], iter(range(3, 100_000)), DEPTH)
    wire.put(message, name, values)
    return message


def _fill(message, twins, numbers, depth):
    """`twins` are the descriptors of this message in the revisions that have it."""
    for field in message.DESCRIPTOR.fields:
        others = [t.fields_by_name[field.name] for t in twins if field.name in t.fields_by_name]
        if is_map(field):
            _fill_map(getattr(message, field.name), field, numbers)
        elif field.message_type:
            if depth == 0:
                continue
            inner = getattr(message, field.name)
            inner = inner.add() if field.is_repeated else inner
            _fill(inner, [o.message_type for o in others if o.message_type], numbers, depth - 1)
            if not field.is_repeated:
                inner.SetInParent()
        else:
            value = _value(field, others, next(numbers))
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)


def _fill_map(entries, field, numbers):
    value = field.message_type.fields_by_name["value"]
    key = f"key {next(numbers)}"
    if value.message_type:
        entries[key].SetInParent()
        _fill(entries[key], [value.message_type], numbers, DEPTH)
    else:
        entries[key] = next(numbers)


def _value(field, others, number):
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return _shared_number(field, others)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes([number % 200 + 1])
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        numeric = any(o.cpp_type in WHOLE for o in others)
        return str(number) if numeric else f"text {number}"
    return number


def _shared_number(field, others):
    """The largest number that means the same in all revisions, 0 if none does."""
    meanings = [{v.number: v.name for v in o.enum_type.values} for o in others]
    shared = set.intersection(*(set(m.items()) for m in meanings))
    return max((number for number, _ in shared), default=0)


def differences(sent, arrived, apart_from=()):
    """Paths of the fields that both kinds of message have and that differ, but for those (in lower
    case, with dots) that are named in `apart_from`."""
    return list(_differences(sent, arrived, "", frozenset(apart_from)))


def _differences(sent, arrived, path, apart_from):
    theirs = fields(arrived)
    for key, field in fields(sent).items():
        here = f"{path}{key}"
        if key not in theirs or here in apart_from:
            continue
        pair = getattr(sent, field.name), getattr(arrived, theirs[key].name)
        if is_map(field):
            yield from _map_differences(field, *pair, here, apart_from)
        elif field.is_repeated != theirs[key].is_repeated:
            yield from _compare(field, [pair[0]], list(pair[1]), here, apart_from)
        elif field.is_repeated:
            yield from _compare(field, *pair, here, apart_from)
        else:
            yield from _compare(field, [pair[0]], [pair[1]], here, apart_from)


def _map_differences(field, sent, arrived, here, apart_from):
    if set(sent) != set(arrived):
        yield f"{here}: {sorted(sent)} became {sorted(arrived)}"
        return
    value = field.message_type.fields_by_name["value"]
    for key in sent:
        yield from _compare(value, [sent[key]], [arrived[key]], here, apart_from)


def _compare(field, sent, arrived, here, apart_from):
    if len(sent) != len(arrived):
        yield f"{here}: {len(sent)} became {len(arrived)}"
        return
    for one, other in zip(sent, arrived):
        if field.message_type:
            yield from _differences(one, other, f"{here}.", apart_from)
        elif plain(one) != plain(other):
            yield f"{here}: {one!r} became {other!r}"


def plain(value):
    """Numbers and texts of numbers are the same."""
    if isinstance(value, (int, float)):
        value = float(value)
        return str(int(value)) if value.is_integer() else str(value)
    return value
