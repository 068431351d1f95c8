# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Small things for tests that run servers on loopback."""
import socket
import time


def free_port(host='127.0.0.1'):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def listens(port, host='127.0.0.1'):
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


def wait(condition, seconds=30):
    """What it gives as soon as that is true, or in the end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    return condition()
