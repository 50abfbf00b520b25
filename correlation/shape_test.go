package correlation

import (
	"slices"
	"strings"
	"testing"
)

func tokensOf(text string) []string {
	var out []string
	Tokens(text, func(t string) bool {
		out = append(out, t)
		return true
	})
	return out
}

// Each of these is an ID wherever it stands.
func TestTokensThatAreIDs(t *testing.T) {
	for _, id := range []string{
		"6f1a6f2e-3b0c-4a9d-9b77-0f4a5f0c9e11", "6F1A6F2E-3B0C-4A9D-9B77-0F4A5F0C9E11", "6f1a6f2e3b0c4a9d9b770f4a5f0c9e11",
		"4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00F067AA0BA902B7", "507f1f77bcf86cd799439011",
		"11111111111111111111111111111112", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav",
		"3MqLQ2eZvKYlo2C1XyzAb9", "V1StGXR8_Z5jdHi6B-myT", "9m4e2mr0ui3e8a215n4g", "ckopqwooh000001la8mbi2im9",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"req-8f3a2b", "ord_123abc", "order-10023", "user_1234", "txn-00017", "REQ-8F3A2B", "inv-2031-000123",
		"blk_-1608999687919862906", "blk_38865049064139660", "application_1445144423722_0020",
		"appattempt_1445144423722_0020_000001", "attempt_1445144423722_0020_m_000009_0", "container_1445144423722_0020_01_000001",
		"pi_3MtwBwLkdIwHu7ix28a3tqPa", "cs_test1a2b3c4d5e6f7a8b9c", "foo-8f3a2b1c", "0x34ede65503f002d",
		"1-5759e988-bd862e3fe1be46a994272793", "order-20310101-0001", "msg-20310101",
		"req-1", "ord_7", "tx-17", "req-8f3", "ORD-12AB", "evt_99", "order_8f3a2b-44567", "req-checkout-8f3a2b", "order-eu-west-8f3a2b",
	} {
		for _, frame := range []string{
			"%s", "before %s after", `"%s"`, "[%s]", "(%s),", "x=%s&y=1", "/api/v1/things/%s/parts", "{%s}", "urn:uuid:%s",
			`\"%s\"`, "a\t%s\n", "<%s>", "%s:8080", `text\n%s`, "%%2F%s", "\x1b[31m%s\x1b[0m", "\x1b[1;31m%s", "--%s--", "é%sé",
		} {
			text := strings.Replace(strings.Replace(frame, "%s", id, 1), "%%", "%", 1)
			if got := tokensOf(text); !slices.Contains(got, id) {
				t.Errorf("Tokens(%q) = %q, lacks %q", text, got, id)
			}
		}
	}
}

func TestTokensThatAreNot(t *testing.T) {
	for _, text := range []string{
		"", "-", "plain words only", "2031-10-18 18:06:18,045", "2031-10-18T18:06:18.045Z", "2031-05-16_13:55:31", "20311018T180618Z",
		"20311018T180618123Z", "[01/Mar/2031:10:11:12 +0000]", "1700000000", "1700000000000", "1700000000000000", "1700000000000000000",
		"1234567890123456ms", "10.11.10.1", "192.168.100.200:51041", "fe80::1ff:fe23:4567:890a", "1.2.3-beta4", "v10.20.30-rc1", "HTTP/1.1",
		"org.apache.hadoop.mapreduce.v2.app.rm.RMContainerAllocator", "QuorumCnxManager$RecvWorker@765", "AbstractBeanFactory2Impl",
		"RecvWorker:188978561024", "/var/log/nova-compute.log.1", "x86_64-linux-gnu", "utf-8", "sha-256", "us-east-1a", "ip-10-0-12-34",
		"checkout-7d9f8b6c5d-x2x4z", "kube-proxy-x2x4z", "coredns-5d78c9869d-2bqsz", "nio-8080-exec-3", "pool-3-thread-17", "worker-12",
		"broadcast_9_piece0", "rdd_21_0", "node-3", "backup_20310101", "CVE-2031-12345", "RFC-7231", "order-service2", "user-agent",
		"00000000000000000000000000000000", "00000000-0000-0000-0000-000000000000", "0000000000000000", "deadbeef", "deadbeefdeadbeef",
		"0x6b2f3a", "0x7fff5fbff8a0", "0X000000000000000", "67108864", "Base64Encoder", "kubernetes.io/metadata.name", "application-server", "request-id",
		"trace-id", "order-v2", "applicationserver12", "applicationserver2031", "session-", "--------------------", "________________",
		"order-0000", "task-worker12", "req-0", "req-v2", "ord-v10", "evt-e2e", "msg-ab1", "order-0", "user-17", "payment-1",
		"order-7d9f8b6c5d-x2x4z", "session-5d78c9869d-2bqsz", "client-k8s", "xyz-17", "order-service-decade", "order-service-7d9f8b6c5d-x2x4z", "spring-slf4j2", "session-manager-v2", "1a2b3c", "12345678901a", "msra-sa-41:8030",
	} {
		if got := tokensOf(text); len(got) > 0 {
			t.Errorf("Tokens(%q) = %q, want none", text, got)
		}
	}
}

func TestTokensInsideTokens(t *testing.T) {
	const uuid, trace, span = "3ea4052c-895d-4b64-9e2d-04d64c4d94ab", "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for text, want := range map[string][]string{
		"req-" + uuid:                          {uuid, "req-" + uuid},
		"order_" + uuid + "_shipped":           {"order_" + uuid, uuid, "order_" + uuid + "_shipped"},
		"checkout-req-8f3a2b":                  {"req-8f3a2b", "checkout-req-8f3a2b"},
		"web-req-8f3a2b":                       {"req-8f3a2b"},
		"req-8f3a2b-retry.log":                 {"req-8f3a2b"},
		"web-REQ_8F3A2B_2":                     {"REQ_8F3A2B"},
		"api-req-" + uuid + ".json":            {"req-" + uuid, uuid},
		"order-7d9f8b6c5d-x2x4z":               nil,
		"shop-order-7d9f8b6c5d-x2x4z":          nil,
		`\u0026` + uuid + `\u003d`:             {uuid},
		"00-" + trace + "-" + span + "-01":     {trace, span},
		"00-" + trace + "-1234567890123456-01": {trace, "1234567890123456"},
		trace + "-" + span + "-1":              {trace, span},
		trace + ":" + span + ":0:1":            {trace, span},
		"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1": {
			"1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"},
		"[checkout," + trace + "," + span + "]": {trace, span},
	} {
		if got := tokensOf(text); !slices.Equal(got, want) {
			t.Errorf("Tokens(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPodOwners(t *testing.T) {
	for pod, want := range map[string][2]string{
		"checkout-7d9f8b6c5d-x2x4z": {"checkout", "7d9f8b6c5d"}, "kube-dns-5d78c9869d-2bqsz": {"kube-dns", "5d78c9869d"},
		"7d9f8b6c5d-x2x4z": {}, "-7d9f8b6c5d-x2x4z": {}, "db-0": {}, "x2x4z": {}, "": {}, "web-x2x4z": {}, "web-aeiou12345-x2x4z": {},
	} {
		deployment, template, ok := PodOwners(pod)
		if deployment != want[0] || template != want[1] || ok != (want[0] != "") {
			t.Errorf("PodOwners(%q) = %q, %q, %v", pod, deployment, template, ok)
		}
	}
}

func TestTokensStops(t *testing.T) {
	n := 0
	Tokens("req-8f3a2b ord_123abc 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", func(string) bool {
		n++
		return n < 3
	})
	if n != 3 {
		t.Errorf("told %d tokens after a stop at 3", n)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("req-8f3a2b [x] \x1b[31m8f3a2b1c8f3a2b1c %2F")
	f.Add(`{"order":{"id":"A-17"}} user id: 17`)
	f.Add("\\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range tokensOf(text) {
			if !strings.Contains(text, tok) || tok == "" {
				t.Fatalf("token %q does not stand in %q", tok, text)
			}
			if n := Normalize(tok); n == "" || isZero(n) {
				t.Fatalf("token %q has the normal form %q", tok, n)
			}
		}
	})
}
