"""Modbus TCP instruments on pymodbus 3.8.6: instruments.py COUNT FIRST_PORT. Registers 0 to 19 change every 100 ms."""
import asyncio, random, sys
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartAsyncTcpServer

async def main(count, first):
    blocks = [ModbusSequentialDataBlock(1, [200] * 20) for _ in range(count)]
    servers = [
        asyncio.create_task(StartAsyncTcpServer(ModbusServerContext(slaves=ModbusSlaveContext(hr=block), single=True),
                                                address=("127.0.0.1", first + n)))
        for n, block in enumerate(blocks)
    ]
    while True:
        for block in blocks:
            block.setValues(1, [random.randrange(100, 300) for _ in range(20)])
        await asyncio.sleep(0.1)

asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
