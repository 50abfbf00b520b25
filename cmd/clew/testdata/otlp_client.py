"""Sends random OTLP with OpenTelemetry's own Python messages over gRPC, HTTP
with protobuf and HTTP with JSON, and asks for all of it again.

    otlp_client.py send|check FILE HTTP OTLP_HTTP OTLP_GRPC

send writes what it sent to FILE; check compares the answers with it, field by
field, and exits with 1 where anything differs.
"""
import base64
import gzip
import json
import pickle
import random
import sys
import time
import urllib.request

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

do, file, http, otlp_http, otlp_grpc = sys.argv[1:]
dice = random.Random(7)
now = time.time_ns()
INF = float("inf")


def text(most):
    letters = 'aZ0 \n\t"\\é日🎉\x00\x7f\u202e{}%<&\'\ufeff\uffff'
    return "".join(dice.choice(letters) for _ in range(dice.randrange(most)))


def value(depth=0):
    v = AnyValue()
    kind = dice.randrange(8 if depth < 3 else 6)
    if kind == 0:
        v.string_value = text(dice.choice([3, 30, 2000]))
    elif kind == 1:
        v.bool_value = dice.random() < 0.5
    elif kind == 2:
        v.int_value = dice.choice([0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1])
    elif kind == 3:
        v.double_value = dice.choice([0.0, -0.0, 1.5, 1e308, 5e-324, INF, -INF, 0.1, 1e21, -1e-7])
    elif kind == 4:
        v.bytes_value = dice.randbytes(dice.choice([0, 1, 16, 100]))
    elif kind == 6:
        v.array_value.SetInParent()
        v.array_value.values.extend(value(depth + 1) for _ in range(dice.randrange(4)))
    elif kind == 7:
        v.kvlist_value.SetInParent()
        v.kvlist_value.values.extend(KeyValue(key=f"{text(6)}{i}", value=value(depth + 1)) for i in range(dice.randrange(4)))
    return v  # kind 5 is the empty value


def attributes(most=8):
    return [KeyValue(key=dice.choice(["k", "http.", "日本", "a b", "UP"]) + str(i), value=value()) for i in range(dice.randrange(most))]


def resource(of, service):
    of.resource.attributes.add(key="service.name").value.string_value = service
    of.resource.attributes.extend(attributes())
    of.resource.dropped_attributes_count = dice.choice([0, 5])
    of.schema_url = dice.choice(["", "http://schema/1"])


def scope(of):
    of.scope.name = dice.choice(["", "scope", "日"])
    of.scope.attributes.extend(attributes(3))
    of.schema_url = dice.choice(["", "http://schema/2"])


def spans(service, traces):
    request = ExportTraceServiceRequest()
    of = request.resource_spans.add()
    resource(of, service)
    in_scope = of.scope_spans.add()
    scope(in_scope)
    for _ in range(dice.randrange(1, 8)):
        if not traces or dice.random() < 0.3:
            traces.append(dice.randbytes(16))
        s = in_scope.spans.add(trace_id=dice.choice(traces[-3:]), span_id=dice.randbytes(8), name=text(30), kind=dice.randrange(6))
        s.parent_span_id = dice.choice([b"", dice.randbytes(8)])
        s.trace_state = dice.choice(["", "a=1,b=2"])
        s.flags = dice.choice([0, 1, 0x301, 2**32 - 1])
        s.start_time_unix_nano = now - dice.randrange(10**10)
        s.end_time_unix_nano = s.start_time_unix_nano + dice.choice([-5, 0, 10**6])
        s.attributes.extend(attributes())
        s.dropped_attributes_count = dice.choice([0, 2**32 - 1])
        for _ in range(dice.randrange(3)):
            s.events.add(time_unix_nano=dice.choice([0, now]), name=text(10)).attributes.extend(attributes(4))
        for _ in range(dice.randrange(3)):
            s.links.add(trace_id=dice.randbytes(16), span_id=dice.randbytes(8), flags=dice.choice([0, 0x300])).attributes.extend(attributes(3))
        s.status.code = dice.randrange(3)
        s.status.message = text(10)
    return request


def logs(service):
    request = ExportLogsServiceRequest()
    of = request.resource_logs.add()
    resource(of, service)
    in_scope = of.scope_logs.add()
    scope(in_scope)
    for _ in range(dice.randrange(1, 8)):
        r = in_scope.log_records.add(time_unix_nano=now - dice.randrange(10**10), severity_number=dice.randrange(25), event_name=text(5))
        r.body.CopyFrom(value())
        r.attributes.extend(attributes())
        r.attributes.add(key="request.id").value.string_value = "rq-" + dice.randbytes(8).hex()
        if dice.random() < 0.5:
            r.trace_id, r.span_id = dice.randbytes(16), dice.randbytes(8)
    return request


def otlp_json(message):
    """The protobuf JSON mapping, with OTLP's rule that IDs are hex."""

    def walk(x):
        if isinstance(x, list):
            return [walk(v) for v in x]
        if not isinstance(x, dict):
            return x
        return {k: base64.b64decode(v).hex() if k in ("traceId", "spanId", "parentSpanId") else walk(v) for k, v in x.items()}

    return json.dumps(walk(json_format.MessageToDict(message))).encode()


def post(path, body, kind):
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    with urllib.request.urlopen(urllib.request.Request(f"http://{otlp_http}{path}", gzip.compress(body), headers)) as res:
        answer = res.read()
    assert answer in (b"", b"{}"), answer


def send():
    channel = grpc.insecure_channel(otlp_grpc)
    traces, sent = [], []
    for i in range(30):
        t, l = spans(f"svc{i % 5}", traces), logs(f"svc{i % 5}")
        sent.append((t.SerializeToString(), l.SerializeToString()))
        if i % 3 == 0:
            TraceServiceStub(channel).Export(t, compression=grpc.Compression.Gzip)
            LogsServiceStub(channel).Export(l)
        elif i % 3 == 1:
            post("/v1/traces", t.SerializeToString(), "application/x-protobuf")
            post("/v1/logs", l.SerializeToString(), "application/x-protobuf")
        else:
            post("/v1/traces", otlp_json(t), "application/json")
            post("/v1/logs", otlp_json(l), "application/json")
    pickle.dump(sent, open(file, "wb"))


def get(path, accept="application/json"):
    with urllib.request.urlopen(urllib.request.Request(f"http://{http}{path}", headers={"Accept": accept})) as res:
        return res.read()


def by_id(all_spans):
    out = {}
    for of in all_spans:
        for in_scope in of.scope_spans:
            for s in in_scope.spans:
                key = (s.trace_id.hex(), s.span_id.hex())
                assert key not in out, f"{key} came twice"
                parts = (of.resource, in_scope.scope, s)
                out[key] = [p.SerializeToString(deterministic=True) for p in parts] + [of.schema_url, in_scope.schema_url]
    return out


def plain(v):
    kind = v.WhichOneof("value")
    if kind is None:
        return None
    x = getattr(v, kind)
    if kind == "bytes_value":
        return base64.b64encode(x).decode()
    if kind == "array_value":
        return [plain(y) for y in x.values]
    if kind == "kvlist_value":
        return {y.key: plain(y.value) for y in x.values}
    if x in (INF, -INF):
        return "+Inf" if x > 0 else "-Inf"  # JSON has no numbers for these
    return x


def check():
    wrong = 0
    want, got, records = {}, {}, []
    for t, l in pickle.load(open(file, "rb")):
        want.update(by_id(ExportTraceServiceRequest.FromString(t).resource_spans))
        for of in ExportLogsServiceRequest.FromString(l).resource_logs:
            records += [(of.resource, r) for in_scope in of.scope_logs for r in in_scope.log_records]
    for trace in {key[0] for key in want}:
        got.update(by_id(TracesData.FromString(get(f"/tempo/api/traces/{trace}", "application/protobuf")).resource_spans))
    for key in want.keys() | got.keys():
        if want.get(key) != got.get(key):
            wrong += 1
            print("span", key, want.get(key), got.get(key))
    for of, r in records:
        request = next(a.value.string_value for a in r.attributes if a.key == "request.id")
        found = [e for e in json.loads(get(f"/api/v1/correlate/{request}?hops=0"))["timeline"] if e["type"] == "log"]
        expect = {"attributes": {a.key: plain(a.value) for a in r.attributes}, "resource": {a.key: plain(a.value) for a in of.attributes}}
        expect |= {"trace_id": r.trace_id.hex(), "span_id": r.span_id.hex()}
        if r.body.WhichOneof("value") == "string_value":
            expect["text"] = r.body.string_value
        if len(found) != 1 or any(found[0].get(k, "") != v for k, v in expect.items()):
            wrong += 1
            print("log", [(k, v, found and found[0].get(k)) for k, v in expect.items() if len(found) != 1 or found[0].get(k, "") != v])
    print(f"{len(want)} spans and {len(records)} log records, {wrong} of them wrong")
    sys.exit(wrong > 0)


{"send": send, "check": check}[do]()
