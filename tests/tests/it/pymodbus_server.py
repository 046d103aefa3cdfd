"""An instrument made of pymodbus: python pymodbus_server.py PORT FIRST_COUNT REGISTERS_JSON

REGISTERS_JSON is a list of {table, register, type, order, value}. The input registers 0 and 1 count the times they
were read, beginning with FIRST_COUNT. Every other register does not exist.
"""

import json
import sys

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import StartTcpServer

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
        super().__init__({1: [0, 0]})
        self.count = first

    def getValues(self, address, count=1):
        now = encoded("u32", "abcd", self.count)
        self.count += 1
        return now[address - 1 : address - 1 + count]


def main():
    port, first, registers = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
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
    StartTcpServer(ModbusServerContext(slaves=slave, single=True), address=("127.0.0.1", port))


main()
