"""An instrument made of pymodbus: python pymodbus_server.py WHERE FIRST_COUNT REGISTERS_JSON

WHERE is PORT for Modbus TCP, rtu:PORT for the frames of a serial line over TCP, pty:LINK for a serial line whose other
end LINK names. REGISTERS_JSON is a list of {table, register, type, order, value}. The input registers 0 and 1 count the
times they were read, beginning with FIRST_COUNT. The input registers 10 to 13 hold the time at which they were read,
in milliseconds since 1970, and every third answer about them is late by 250 ms. Every other register does not exist.
"""

import json
import os
import pty
import select
import sys
import threading
import time
import tty

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.framer import FramerType
from pymodbus.server import StartSerialServer, StartTcpServer

TYPES = ModbusClientMixin.DATATYPE
KINDS = {
    "u16": TYPES.UINT16, "i16": TYPES.INT16, "u32": TYPES.UINT32, "i32": TYPES.INT32,
    "u64": TYPES.UINT64, "i64": TYPES.INT64, "f32": TYPES.FLOAT32, "f64": TYPES.FLOAT64,
}


def encoded(kind, order, value):
    """pymodbus's own encoding; it knows the order of words, and the order of bytes is the maker's whim."""
    if kind == "bool":
        return [value != 0]
    words = "big" if order in ("abcd", "badc") else "little"
    registers = ModbusClientMixin.convert_to_registers(value, KINDS[kind], word_order=words)
    if order in ("badc", "dcba"):
        registers = [int.from_bytes(r.to_bytes(2, "big"), "little") for r in registers]
    return registers


class Counting(ModbusSparseDataBlock):
    """Two registers that hold how often they were read."""

    def __init__(self, first):
        super().__init__({1: [0, 0], 11: [0, 0, 0, 0]})
        self.count = first
        self.reads = 0

    def getValues(self, address, count=1):
        if address >= 11:
            now = encoded("u64", "abcd", time.time_ns() // 1_000_000)
            self.reads += 1
            if self.reads % 3 == 0:
                time.sleep(0.25)
            return now[address - 11 : address - 11 + count]
        now = encoded("u32", "abcd", self.count)
        self.count += 1
        return now[address - 1 : address - 1 + count]


def line(link):
    """A serial line made of two pseudo terminals; gives the end of the instrument, and LINK names the other."""
    (ours, instrument), (theirs, agent) = pty.openpty(), pty.openpty()
    for end in (instrument, agent):
        tty.setraw(end)

    def pass_on():
        while True:
            for end in select.select([ours, theirs], [], [])[0]:
                os.write(theirs if end == ours else ours, os.read(end, 4096))

    threading.Thread(target=pass_on, daemon=True).start()
    os.symlink(os.ttyname(agent), link)
    return os.ttyname(instrument)


def main():
    how, _, where = sys.argv[1].rpartition(":")
    first, registers = int(sys.argv[2]), json.loads(sys.argv[3])
    tables = {"coil": {}, "discrete": {}, "holding": {}}
    for r in registers:
        # Blocks count from 1, as the tables of the Modbus specification do.
        tables[r["table"]][r["register"] + 1] = encoded(r["type"], r["order"], r["value"])
    slave = ModbusSlaveContext(
        co=ModbusSparseDataBlock(tables["coil"]),
        di=ModbusSparseDataBlock(tables["discrete"]),
        hr=ModbusSparseDataBlock(tables["holding"]),
        ir=Counting(first),
    )
    context = ModbusServerContext(slaves=slave, single=True)
    if how == "pty":
        StartSerialServer(context, framer=FramerType.RTU, port=line(where), baudrate=9600)
    else:
        framer = FramerType.RTU if how == "rtu" else FramerType.SOCKET
        StartTcpServer(context, framer=framer, address=("127.0.0.1", int(where)))


main()
