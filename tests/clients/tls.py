"""TLS to Python's grpcio: the server's certificate, and clients that show the right one, a wrong one, or none.

Usage: tls.py ADDRESS FOLDER

FOLDER holds the certificates that tls.sh made: ca.pem, client-ca.pem, and of each client a .pem and a .key.
"""

import pathlib
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

# How long the server may take to answer, seconds.
PATIENCE = 60


def status(address, folder, ca, client):
    """What a client is told: that it serves, or why the connection came to nothing."""
    read = lambda name: pathlib.Path(folder, name).read_bytes()
    pair = (read(f"{client}.key"), read(f"{client}.pem")) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(read(ca), *pair)
    port = address.rsplit(":", 1)[1]
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            return error.code().name
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def main():
    address, folder = sys.argv[1:]
    cases = [
        ("the right certificate", "ca.pem", "right", "SERVING"),
        ("a server that nobody vouches for", "client-ca.pem", "right", "UNAVAILABLE"),
        ("a certificate of another name", "ca.pem", "wrong", "UNAVAILABLE"),
        ("a certificate that has expired", "ca.pem", "expired", "UNAVAILABLE"),
        ("a certificate of another authority", "ca.pem", "stranger", "UNAVAILABLE"),
        ("no certificate", "ca.pem", None, "UNAVAILABLE"),
        ("the right certificate again", "ca.pem", "right", "SERVING"),
    ]
    for what, ca, client, wanted in cases:
        found = status(address, folder, ca, client)
        assert found == wanted, f"{what}: {found}, not {wanted}"
        print(f"grpcio: {what}: {found}")
    print(f"grpcio over TLS: {len(cases)} passed, 0 failed")


if __name__ == "__main__":
    main()
