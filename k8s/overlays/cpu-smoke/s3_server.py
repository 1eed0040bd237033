"""An S3 server in memory, with the bucket `bowline` in it."""

import signal

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="0.0.0.0", port=9000)
server.start()
boto3.client("s3", endpoint_url="http://127.0.0.1:9000").create_bucket(Bucket="bowline")
print("ready: s3://bowline", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
server.stop()
