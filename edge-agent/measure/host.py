"""A Sparkplug host behind any MQTT broker that gives receipts: host.py PORT (paho-mqtt 2). Prints once a second what
came: records, readings, doubles, holes. Its own protobuf reader, on purpose."""
import sys, time
import paho.mqtt.client as mqtt

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]; at += 1
        value |= (byte & 127) << shift; shift += 7
        if byte < 128: return value, at

def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0: value, at = varint(data, at)
        else:
            length = {1: 8, 5: 4}.get(key & 7)
            if length is None: length, at = varint(data, at)
            value = data[at:at + length]; at += length
        yield key >> 3, value

def number(n):
    out = b""
    while n > 127: out += bytes([n & 127 | 128]); n >>= 7
    return out + bytes([n])

def part(tag, data): return number(tag << 3 | 2) + number(len(data)) + data

seen, streams, count = {}, {}, {"readings": 0, "doubles": 0, "through": 0}

def receipt(client, node):
    stream = part(1, b"OneDoor/Stream") + number(4 << 3) + number(12) + part(15, streams[node])
    through = part(1, b"OneDoor/Through") + number(4 << 3) + number(8) + number(11 << 3) + number(count["through"])
    highest = max(seen.get(streams[node], {0}))
    highest = part(1, b"OneDoor/Highest") + number(4 << 3) + number(8) + number(11 << 3) + number(highest)
    client.publish(f"spBv1.0/{node[0]}/NCMD/{node[1]}", part(2, stream) + part(2, through) + part(2, highest))

def on_message(client, _, message):
    topic = message.topic.split("/")
    metrics = [dict(fields(m)) for tag, m in fields(message.payload) if tag == 2]
    node = (topic[1], topic[3])
    if topic[2] == "NBIRTH":
        streams[node] = next(m[15] for m in metrics if m.get(1) == b"OneDoor/Stream")
        receipt(client, node)  # nothing new is sent before the birth is answered
    if topic[2] != "DDATA": return
    sequence = next(m[11] for m in metrics if m.get(2) == 0)
    numbers = seen.setdefault(streams.get(node), set())
    if sequence in numbers: count["doubles"] += 1
    else: count["readings"] += len(metrics) - 1
    numbers.add(sequence)
    while count["through"] + 1 in numbers: count["through"] += 1
    receipt(client, node)

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_message = on_message
client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#")
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
while True:
    time.sleep(1)
    records = sum(map(len, seen.values())); highest = sum(max(numbers) for numbers in seen.values() if numbers)
    print(f"records {records} readings {count['readings']} doubles {count['doubles']} holes {highest - records}", flush=True)
