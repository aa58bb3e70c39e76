"""Tables of further uplinks for the config, and how they stand."""

import json

from waiting import until


def table(name, kind, url, **keys):
    """`[[uplink]]` of that kind; values as TOML has them."""
    lines = [f'name = "{name}"', f'kind = "{kind}"', f'url = "{url}"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n[[uplink]]\n" + "\n".join(lines) + "\n"


def ec(name, port, confirm="heartbeat", **keys):
    """An EC server at a loopback port, with quick heartbeats and nothing sent again if not said."""
    values = {"organisation": 1000, "heartbeat_s": 1, "realtime_s": 60, "resend_minutes": 0}
    return table(name, "ec", f"tcp://127.0.0.1:{port}", confirm=confirm, **(values | keys))


def status(controller):
    """The uplinks by name, from the running controller."""
    code, body = controller.get("/api/v1/status")
    return {u["name"]: u for u in json.loads(body)["uplinks"]} if code == 200 else {}


def wait_online(controller, *names, timeout=60):
    def online():
        uplinks = status(controller)
        return all(uplinks.get(name, {}).get("state") == "online" for name in names)

    until(online, f"{names} on line", timeout)


def wait_idle(controller, *names, timeout=60):
    """Waits until these are on line and owed nothing."""

    def idle():
        uplinks = status(controller)
        return all(
            name in uplinks
            and uplinks[name]["state"] == "online"
            and uplinks[name]["backlog"] == 0
            for name in names
        )

    until(idle, f"{names} on line and owed nothing", timeout)


def deliveries(controller):
    """States of the deliveries by order and uplink."""
    return {
        order: {delivery["uplink"]: delivery["state"] for delivery in row["deliveries"]}
        for order, row in controller.orders().items()
    }
