"""mosquitto_pub and mosquitto_sub at our doors."""

import subprocess
import time

import wire
from controller import pile_code, pile_password, pile_serial
from station import now_s
from wire import pb

# mosquitto_sub ends by itself after this long without the message asked for.
PATIENCE_S = "20"


def login(site, number, password=None):
    return [
        "-h", "127.0.0.1", "-p", str(site.controller.port), "-V", "311",
        "-u", pile_code(number), "-P", password or pile_password(number),
    ]  # fmt: skip


def test_a_boot_by_hand(site):
    site.run()
    code = pile_code(1)
    # One client subscribes; a pile has one connection, so both sides go through one client id and
    # the answer to a boot sent by the second is waited for by a persistent session of it.
    client = ["-i", f"HAND-{pile_serial(1)}", "-c"]
    done = subprocess.run(
        ["mosquitto_sub", *login(site, 1), *client, "-q", "2", "-t", f"/D/C/{code}/#", "-E"],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    boot = wire.seal(
        pb.ID_BootNotificationReq,
        41,
        pb.BootNotificationReq(partNumber="HAND", serialNumber=pile_serial(1), connectorNumber=2),
        now_s(),
    )
    done = subprocess.run(
        ["mosquitto_pub", *login(site, 1), *client, "-q", "2", "-t", f"/U/C/{code}", "-s"],
        input=boot,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    listener = subprocess.Popen(
        ["mosquitto_sub", *login(site, 1), *client, "-q", "2", "-t", f"/D/C/{code}/#", "-N"]
        + ["-C", "1", "-W", PATIENCE_S],
        stdout=subprocess.PIPE,
    )
    data, _ = listener.communicate(timeout=60)
    if not data:
        # An answer may go only to the connection that asked; then ask while listening.
        data = ask_while_listening(site, code, client, boot)
    apdu = wire.unseal(data)
    assert apdu.messageId == pb.ID_BootNotificationConf
    assert apdu.sequenceId == 41
    assert wire.parse(pb.BootNotificationConf, apdu.payload).interval > 0


def ask_while_listening(site, code, client, boot):
    raise AssertionError("no answer to a boot sent by mosquitto_pub")


def test_refusals_as_mosquitto_sees_them(site):
    site.run()
    done = subprocess.run(
        ["mosquitto_pub", *login(site, 1, "wrong"), "-i", "HAND-X", "-t", "x", "-m", "x"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "not authorised" in done.stderr.lower(), done.stderr
    # A filter that is not the pile's own is refused in the SUBACK.
    done = subprocess.run(
        ["mosquitto_sub", *login(site, 1), "-i", f"HAND-{pile_serial(1)}", "-t", "#", "-E"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "denied" in (done.stderr + done.stdout).lower() or done.returncode != 0
    time.sleep(0.1)
    assert site.controller.healthz() == 200
