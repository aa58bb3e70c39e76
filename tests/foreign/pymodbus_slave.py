"""A slave made of pymodbus: a program of its own, so that it can be killed.

`pymodbus_slave.py rtu PATH BAUD PARITY STOPS ADDRESS`, `... tcp PORT ADDRESS`,
`... rtu-over-tcp PORT ADDRESS`. What it is told comes by stdin, one command a line; each is
answered with `ok`. slave.c knows the same commands.
"""

import asyncio
import sys

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class Slave:
    def __init__(self, address):
        self.address = address
        self.tables = {3: {}, 4: {}}
        self.exception = 0
        self.more_words = 0
        self.late_s = 0

    def device(self):
        def bits():
            return [SimData(0, values=False, datatype=DataType.BITS)]

        def registers():
            return [SimData(0, count=65536, values=0, datatype=DataType.REGISTERS)]

        # Which registers there are, `_read` says.
        simdata = (bits(), bits(), registers(), registers())
        return SimDevice(self.address, simdata=simdata, action=self._read)

    async def _read(self, function, _start, address, count, registers, written):
        if self.late_s:
            await asyncio.sleep(self.late_s)
        if self.exception:
            return ExcCodes(self.exception)
        if written is not None or function not in self.tables:
            return ExcCodes.ILLEGAL_FUNCTION
        table = self.tables[function]
        wanted = range(address, address + count)
        if any(at not in table for at in wanted):
            return ExcCodes.ILLEGAL_ADDRESS
        for at in wanted:
            registers[at] = table[at]
        return None

    def trace(self, is_sent, pdu):
        """Passes over what is not for it, and answers with a wrong count of words if wanted."""
        # With `ignore_missing_devices` alone pymodbus 3.16.1 answers for others, with exception 4.
        if not is_sent and pdu.dev_id != self.address:
            return None
        if is_sent and self.more_words and getattr(pdu, "registers", None):
            if self.more_words > 0:
                pdu.registers = pdu.registers + [0] * self.more_words
            else:
                pdu.registers = pdu.registers[: self.more_words]
        return pdu

    def obey(self, line):
        command, *numbers = line.split()
        numbers = [int(number) for number in numbers]
        if command == "set":
            function, start, *words = numbers
            self.tables[function].update(enumerate(words, start))
        elif command == "drop":
            function, start, count = numbers
            for at in range(start, start + count):
                self.tables[function].pop(at, None)
        elif command == "exception":
            (self.exception,) = numbers
        elif command == "words":
            (self.more_words,) = numbers
        elif command == "late":
            self.late_s = numbers[0] / 1000
        else:
            raise ValueError(line)


def server(kind, arguments):
    """The server and its slave."""
    slave = Slave(int(arguments[-1]))
    common = {"trace_pdu": slave.trace}
    if kind == "rtu":
        path, baud, parity, stops, _ = arguments
        made = ModbusSerialServer(
            slave.device(),
            framer=FramerType.RTU,
            port=path,
            baudrate=int(baud),
            parity=parity,
            stopbits=int(stops),
            **common,
        )
    else:
        framer = {"tcp": FramerType.SOCKET, "rtu-over-tcp": FramerType.RTU}[kind]
        address = ("127.0.0.1", int(arguments[0]))
        made = ModbusTcpServer(slave.device(), framer=framer, address=address, **common)
    return made, slave


async def main(kind, *arguments):
    made, slave = server(kind, arguments)
    await made.serve_forever(background=True)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        slave.obey(line)
        print("ok", flush=True)


asyncio.run(main(*sys.argv[1:]))
