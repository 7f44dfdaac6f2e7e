"""The whole life of a token through Python's grpcio, which knows the API by reflection (v1alpha) alone.

Usage: lifecycle.py BINARY
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

PACKAGE = "tokenauthority.v1"
# How long the server may take to start, to get ready, to answer or to stop, seconds.
PATIENCE = 60


@contextmanager
def server(binary):
    """A real server process on a port of its own; gives its address and its operator's secret."""
    with tempfile.TemporaryDirectory() as folder:
        data, log = pathlib.Path(folder, "data"), pathlib.Path(folder, "log")
        command = [binary, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--log-format", "json"]
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            alive = lambda: process.poll() is None
            address = until(lambda: listening(log), alive, log)
            operator = data / "operator.token"
            yield address, until(lambda: operator.exists() and operator.read_text().strip(), alive, log)
            process.terminate()
            assert process.wait(PATIENCE) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def listening(log):
    """The address in the line that says that the server listens, once it is there."""
    for line in log.read_text().splitlines(keepends=True):
        if line.endswith("\n") and '"listening"' in line:
            event = json.loads(line)
            return event.get("fields", event)["address"]
    return None


def until(look, alive, log):
    """What `look` gives, once it gives something."""
    started = time.monotonic()
    while alive() and time.monotonic() - started < PATIENCE:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(log.read_text())


class Api:
    """Calls of any service, their messages built from the descriptors that the server gives."""

    def __init__(self, channel, credential):
        self.channel = channel
        self.credential = credential
        self.pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))

    def message(self, name):
        return GetMessageClass(self.pool.FindMessageTypeByName(name))

    def enum(self, name):
        return self.pool.FindEnumTypeByName(f"{PACKAGE}.{name}").values_by_name

    def call(self, path, **fields):
        """Calls Service/Method with these fields."""
        service, method = path.split("/")
        descriptor = self.pool.FindServiceByName(f"{PACKAGE}.{service}").methods_by_name[method]
        request, response = GetMessageClass(descriptor.input_type), GetMessageClass(descriptor.output_type)
        stub = self.channel.unary_unary(
            f"/{PACKAGE}.{service}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        metadata = [("authorization", f"Bearer {self.credential}")] if self.credential else []
        return stub(request(**fields), metadata=metadata, timeout=PATIENCE)

    def refusal(self, path, **fields):
        """Calls what must fail; its code, and its google.rpc.ErrorInfo read with the server's own descriptors."""
        try:
            answer = self.call(path, **fields)
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            status = self.message("google.rpc.Status").FromString(trailers["grpc-status-details-bin"])
            return error.code(), self.error_info(status)
        raise AssertionError(f"{path} succeeded: {answer}")

    def error_info(self, status):
        info = self.message("google.rpc.ErrorInfo")()
        for detail in status.details:
            if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                info.ParseFromString(detail.value)
        assert info.domain == PACKAGE, status
        return info

    def verdict(self, **fields):
        number = self.call("TokenVerify/Verify", **fields).verdict
        values = self.pool.FindEnumTypeByName(f"{PACKAGE}.Verdict").values_by_number
        return values[number].name


def reflection(channel):
    """What is served, as the older reflection tells it."""
    services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    for name in ["TokenAdmin", "TokenVerify", "Directory"]:
        assert f"{PACKAGE}.{name}" in services, services
    assert "grpc.health.v1.Health" in services, services


def health(channel):
    """Everything says that it serves, to a caller without a credential."""
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ["", f"{PACKAGE}.TokenVerify", f"{PACKAGE}.TokenAdmin"]:
        request = health_pb2.HealthCheckRequest(service=service)
        started = time.monotonic()
        while stub.Check(request, timeout=PATIENCE).status != serving:
            assert time.monotonic() - started < PATIENCE, f"{service} does not serve"
            time.sleep(0.02)
    try:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=PATIENCE)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("an unknown service has a state")


def furnish(api):
    """A library, a user type, a user; what was made can be read again."""
    api.call("Directory/CreateLibrary", library="acme", tenant_id="t-1", tokens_enabled=True)
    api.call("Directory/CreateUserType", library="acme", user_type="clerk", permissions=["orders:*"])
    api.call("Directory/CreateUser", library="acme", user="till", assignments=[{"user_type": "clerk"}])
    library = api.call("Directory/GetLibrary", library="acme").library
    assert library.tokens_enabled and library.tenant_id == "t-1", library
    users = api.call("Directory/ListUsers", library="acme").users
    assert [user.user for user in users] == ["till"], users


def lifecycle(api):
    """A token from its creation to its end."""
    answer = api.call(
        "TokenAdmin/CreateToken",
        library="acme",
        user="till",
        display_name="till 7",
        lifetime="90d",
        permissions=["orders:read"],
        allowed_cidrs=["192.0.2.0/24"],
    )
    secret, token = answer.secret, answer.token
    assert len(secret) == 76 and token.token_id in secret
    demand = {"token": secret, "library": "acme", "client_ip": "192.0.2.7", "permissions": ["orders:read"]}
    found = api.call("TokenVerify/Verify", **demand)
    assert found.verdict == api.enum("Verdict")["VERDICT_VALID"].number, found
    assert (found.user, found.tenant_id, list(found.permissions)) == ("till", "t-1", ["orders:read"]), found
    assert api.verdict(**{**demand, "client_ip": ""}) == "VERDICT_IP_NOT_ALLOWED"
    assert api.verdict(**{**demand, "permissions": ["orders:write"]}) == "VERDICT_MISSING_PERMISSION"

    extended = api.call("TokenAdmin/ExtendToken", token_id=token.token_id).token
    assert extended.expire_time.seconds > token.expire_time.seconds, extended
    stale = api.refusal("TokenAdmin/UpdateToken", token_id=token.token_id, display_name="x", etag=token.etag)
    assert (stale[0], stale[1].reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH"), stale
    updated = api.call("TokenAdmin/UpdateToken", token_id=token.token_id, display_name="x", etag=extended.etag).token
    assert updated.display_name == "x", updated
    api.call("TokenAdmin/SuspendToken", token_id=token.token_id, reason="stocktaking")
    assert api.verdict(**demand) == "VERDICT_SUSPENDED"
    api.call("TokenAdmin/ResumeToken", token_id=token.token_id)
    assert api.verdict(**demand) == "VERDICT_VALID"
    assert api.call("TokenAdmin/RevokeToken", token_id=token.token_id).revision
    assert api.verdict(**demand) == "VERDICT_REVOKED"
    events = api.call("TokenAdmin/ListAuditEvents", library="acme", actor="system/root").events
    actions = [event.action for event in events if event.token_id == token.token_id]
    steps = ["create", "extend", "update", "suspend", "resume", "revoke"]
    assert actions == [f"token.{step}" for step in reversed(steps)], actions
    return secret


def batch(api, revoked):
    """Many at once: the same order, each as Verify would."""
    made = api.call("TokenAdmin/CreateToken", library="acme", user="till", display_name="second")
    secrets = [made.secret, revoked, "nonsense"]
    requests = [{"token": secret, "library": "acme"} for secret in secrets]
    requests.append({"token": made.secret, "library": "acme", "client_ip": "nowhere"})
    results = api.call("TokenVerify/VerifyBatch", requests=requests).results
    verdicts = api.enum("Verdict")
    expected = [verdicts[f"VERDICT_{name}"].number for name in ["VALID", "REVOKED", "MALFORMED"]]
    assert [result.response.verdict for result in results[:3]] == expected, results
    assert results[3].WhichOneof("result") == "error", results[3]
    assert api.error_info(results[3].error).reason == "INVALID_FIELDS", results[3]
    return made.secret


def refusals(api, secret):
    """Errors that a client can read: without a credential, with one that may not, in a library of others."""
    cases = [
        (None, grpc.StatusCode.UNAUTHENTICATED, "CREDENTIAL_MISSING"),
        (secret, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ]
    for credential, code, reason in cases:
        caller = Api(api.channel, credential)
        found = caller.refusal("TokenAdmin/ListTokens", library="acme")
        assert (found[0], found[1].reason) == (code, reason), found


def main():
    with server(sys.argv[1]) as (address, operator), grpc.insecure_channel(address) as channel:
        reflection(channel)
        health(channel)
        api = Api(channel, operator)
        furnish(api)
        revoked = lifecycle(api)
        refusals(api, batch(api, revoked))
    print("grpcio: 6 passed, 0 failed")


if __name__ == "__main__":
    main()
