"""Serves S3 on port 5000, with the bucket that BUCKET names there from the start; --check asks whether it is."""

import os
import signal
import sys
import urllib.request

BUCKET = os.environ.get('BUCKET') or sys.exit('BUCKET: must be set')
ENDINGS = {signal.SIGTERM, signal.SIGINT}
HERE = 'http://127.0.0.1:5000'

if sys.argv[1:] == ['--check']:
    urllib.request.urlopen(f'{HERE}/{BUCKET}', timeout=4).read()
    sys.exit()

# Imported late: they take seconds.
import boto3
from moto.server import ThreadedMotoServer

# Before the server's threads are there: they would take the signal.
signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
server = ThreadedMotoServer(ip_address='0.0.0.0', port=5000, verbose=False)
server.start()
keys = {'aws_access_key_id': 'any', 'aws_secret_access_key': 'any', 'region_name': 'us-east-1'}
boto3.client('s3', endpoint_url=HERE, **keys).create_bucket(Bucket=BUCKET)
print(f'serving the bucket {BUCKET}', flush=True)
signal.sigwait(ENDINGS)
server.stop()
