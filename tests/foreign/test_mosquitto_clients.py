"""mosquitto_pub and mosquitto_sub at our doors."""

import subprocess
import time

import wire
from controller import pile_code, pile_password, pile_serial
from station import now_s
from wire import pb

# mosquitto_rr gives up after this long without an answer.
PATIENCE_S = "20"


def login(site, number, password=None):
    return [
        "-h", "127.0.0.1", "-p", str(site.controller.port), "-V", "311",
        "-u", pile_code(number), "-P", password or pile_password(number),
    ]  # fmt: skip


def test_a_boot_by_hand(site):
    site.run()
    code = pile_code(1)
    request = pb.BootNotificationReq(
        partNumber="HAND", serialNumber=pile_serial(1), connectorNumber=2
    )
    # As an argument, for mosquitto_rr 2.0.11 sends nothing of a file; so it must not hold a zero.
    boot = wire.seal(pb.ID_BootNotificationReq, 41, request, now_s())
    assert 0 not in boot
    done = subprocess.run(
        ["mosquitto_rr", *login(site, 1), "-i", f"HAND-{pile_serial(1)}", "-q", "2", "-N"]
        + ["-t", f"/U/C/{code}", "-e", f"/D/C/{code}", "-m", boot, "-W", PATIENCE_S],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    apdu = wire.unseal(done.stdout)
    assert apdu.messageId == pb.ID_BootNotificationConf
    assert apdu.sequenceId == 41
    assert wire.parse(pb.BootNotificationConf, apdu.payload).interval > 0


def test_the_recommended_filters_are_granted(site):
    site.run()
    filters = []
    for topic in (f"/D/C/{pile_code(1)}", f"/D/C/{pile_code(1)}/#", f"/D/M/{pile_code(1)}"):
        filters += ["-t", topic]
    done = subprocess.run(
        ["mosquitto_sub", *login(site, 1), "-i", f"HAND-{pile_serial(1)}", "-q", "2", "-E", "-d"]
        + filters,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    # Granted QoS of each; 128 would be a refusal.
    assert "128" not in done.stdout.split("Subscribed", 1)[-1], done.stdout
    # What it publishes with QoS 2 is taken.
    done = subprocess.run(
        ["mosquitto_pub", *login(site, 1), "-i", f"HAND-{pile_serial(1)}", "-q", "2"]
        + ["-t", f"/U/C/{pile_code(1)}", "-m", "x"],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


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
