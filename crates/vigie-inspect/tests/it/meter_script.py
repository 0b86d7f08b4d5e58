#!/usr/bin/env python3
"""A reader of a meter as people write them: of our own, with the usual traits."""
import logging
import time
from datetime import datetime

import requests
import serial
from influxdb import InfluxDBClient

DATABASE = "power"
logging.basicConfig(filename="/var/log/reader/reader.log", level=logging.INFO)

store = InfluxDBClient("localhost", 8086)
ready = False
while not ready:
    try:
        store.create_database(DATABASE)
    except requests.exceptions.ConnectionError:
        time.sleep(5)
    else:
        ready = True


def check_group(text, expected):
    total = sum(ord(c) for c in text) & 63
    if chr(total + 32) == expected:
        return True
    return False


def main():
    with serial.Serial(port="/dev/ttyS0", baudrate=1200, parity=serial.PARITY_NONE,
                       bytesize=serial.SEVENBITS, timeout=1) as line:
        frame = {}
        while True:
            fields = line.readline().decode("utf-8").split(" ")
            check_group(fields[0] + " " + fields[1], fields[2])
            try:
                label = fields[0]
                value = int(fields[1])
                frame[label] = value
                if check_group:
                    store.write_points([{"measurement": label, "time": datetime.utcnow(), "fields": {"value": value}}])
            except Exception as error:
                logging.error("%s at %s %s", error, label, value)


if __name__ == "__main__":
    main()
