"""A link far away: what goes to 10.9.0.2 comes back to 10.9.0.1 half a round trip later, with the
two addresses changed over, which leaves every checksum right. Prints a line when it stands.

    python3 far.py HALF_ROUND_TRIP_S
"""

import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

half_s = float(sys.argv[1])
tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"far0", IFF_TUN | IFF_NO_PI))
for command in ["link set lo up", "addr add 10.9.0.1/24 dev far0", "link set far0 up txqueuelen 10000"]:
    subprocess.run(["ip", *command.split()], check=True)
print("up", flush=True)
waiting = collections.deque()
while True:
    wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    if select.select([tun], [], [], wait)[0]:
        due = time.monotonic() + half_s
        try:
            while True:
                packet = os.read(tun, 65536)
                if packet[0] >> 4 == 4:
                    waiting.append((due, packet[:12] + packet[16:20] + packet[12:16] + packet[20:]))
        except BlockingIOError:
            pass
    while waiting and waiting[0][0] <= time.monotonic():
        os.write(tun, waiting.popleft()[1])
