"""What several cases need."""

from raw import Wrong


def answer(target, *packets):
    """In a word, what a new connection gets for its first packets."""
    client = target.dial()
    client.try_send(*packets)
    data = client.next()
    if data is None:
        return "closed"
    if data[0] != 0x20:
        raise Wrong(f"CONNACK wanted, {data[:40].hex(' ')} came")
    code = data[3]
    if code == 0:
        return "accepted"
    client.expect_end()
    return f"CONNACK {code}"


def until(client, payload):
    """The messages that come before this one, all acknowledged."""
    messages = []
    while True:
        message = client.accept(client.got())
        if message.payload == payload:
            return messages
        messages.append(message)


def payloads(client, count):
    """The payloads of the next messages, all acknowledged."""
    return [client.accept(client.got()).payload for _ in range(count)]


def same(got, want):
    if got != want:
        raise Wrong(f"{want} wanted, {got} came")
