import sys, time
import pysparkplug as p

D = p.DataType
now = lambda: int(time.time() * 1000)
metric = lambda name, kind, value, alias=None: p.Metric(timestamp=now(), name=name, datatype=kind, value=value, alias=alias)
node = p.EdgeNode(
    "Plant1", "Py1",
    [metric("Node Control/Rebirth", D.BOOLEAN, False), metric("温度", D.DOUBLE, 20.0)],
    client=p.Client(client_id="sppy1"),
)
node.register(p.Device("Dev1", [metric("pressure", D.FLOAT, 1.0)]))
node.connect("127.0.0.1", port=int(sys.argv[1]))
time.sleep(0.7)
node.update([metric("温度", D.DOUBLE, 21.0)])
node.update_device("Dev1", [metric("pressure", D.FLOAT, 1.5)])
time.sleep(0.5)
node.deregister("Dev1")
time.sleep(0.2)
node.disconnect()
time.sleep(0.3)
