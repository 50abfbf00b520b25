package correlation

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clewhq/clew/telemetry"
)

// layouts are how common systems write their lines. What stands in braces is
// filled at random: with IDs, which must be found, and with what else stands
// in such lines, which must not.
var layouts = []string{
	`{ts} {pid} INFO nova.osapi_compute.wsgi.server [req-{uuid} {hex32} {hex32} - - -] {ip} "GET /v2/{hex32}/servers/detail HTTP/1.1" status: 200 len: {num} time: 0.2477829`,
	`{ts} {pid} INFO nova.compute.manager [req-{uuid} - - - - -] [instance: {uuid}] VM Started (Lifecycle Event)`,
	`{ts} INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster for application {appattempt}`,
	`{ts} INFO [AsyncDispatcher event handler] org.apache.hadoop.mapreduce.v2.app.job.impl.TaskAttemptImpl: {attempt} TaskAttempt Transitioned from NEW to UNASSIGNED`,
	`081109 203615 148 INFO dfs.DataNode$PacketResponder: Received block {blk} of size 67108864 from /{ip}`,
	`Dec 10 06:55:48 LabSZ sshd[{pid}]: Failed password for invalid user webmaster from {ip} port {port} ssh2`,
	`Jun 14 15:16:01 combo sshd(pam_unix)[{pid}]: authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost={ip}`,
	`17/06/09 20:10:40 INFO executor.Executor: Running task {num}.0 in stage 0.0 (TID {num}) on {host}`,
	`{ts} - INFO  [CommitProcessor:2:ZooKeeperServer@595] - Established session {zk} with negotiated timeout 20000 for client /{ip}:{port}`,
	`[{apache}] [error] mod_jk child workerEnv in error state {digit}`,
	`{ip} - - [01/Mar/2031:10:11:12 +0000] "POST /api/v1/orders/{uuid}/items?limit={num} HTTP/1.1" 201 {num} "-" "Mozilla/5.0 (X11; Linux x86_64)" 0.012 {hex32}`,
	`[{iso}] "POST /orders HTTP/1.1" 201 - {num} {num} 14 13 "{ip}" "curl/{ver}" "{uuid}" "{host}:8080" "{ip}:{port}"`,
	`{"level":"info","ts":"{iso}","caller":"orders/place.go:{line}","msg":"placed","trace_id":"{hex32}","span_id":"{hex16}","order":{"id":"{ord}"},"took":{num}}`,
	`time={iso} level=warn msg="slow query" request_id={req} duration=1.23s rows={num} host={host}.internal pod={pod}`,
	`{iso}  INFO [checkout,{hex32},{hex16}] 17 --- [nio-8080-exec-{digit}] c.e.c.PaymentClient2Impl : Charging {nano} for {ulid}`,
	`E0301 10:11:12.345678 {pid} controller.go:{line}] "Sync failed" pod="default/{pod}" uid="{uuid}" err="dial tcp {ip}:{port}: i/o timeout"`,
	`<134>1 {iso} {host} haproxy {pid} - - {ip}:{port} [01/Mar/2031:10:11:12.345] http-in~ api/web-{digit} 0/0/1/12/13 200 {num} {UUID}`,
	`{iso} [http-nio-8080-exec-{digit}] ERROR org.slf4j.impl.Log4jLoggerAdapter - v{ver} failed for {objectid} (customer-{dashedip}.static)`,
	`[{iso}] [{req}] Started GET "/carts/{ulid}" for {ip}`,
	`Xid {xid} done in {num}ms, key {uuidplain}, build {ver}-rc{digit}`,
	`{iso} stdout F {\"reqId\":\"{uuid}\",\"n\":{num},\"sha\":\"{sha1}\"}`,
}

// idFillers make IDs, which are found, and fillers what is none.
var idFillers = map[string]func(*rand.Rand) string{
	"uuid": uuidOf, "UUID": func(r *rand.Rand) string { return strings.ToUpper(uuidOf(r)) },
	"uuidplain": func(r *rand.Rand) string { return strings.ReplaceAll(uuidOf(r), "-", "") },
	"hex32":     func(r *rand.Rand) string { return hexOf(r, 16) },
	"hex16":     func(r *rand.Rand) string { return hexOf(r, 8) },
	"sha1":      func(r *rand.Rand) string { return hexOf(r, 20) },
	"objectid":  func(r *rand.Rand) string { return hexOf(r, 12) },
	"ulid":      func(r *rand.Rand) string { return "01" + pick(r, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24) },
	"nano":      func(r *rand.Rand) string { return "V1StGXR8_Z5j" + pick(r, "0123456789abcdefghijABCDEFGHIJ", 9) },
	"req":       func(r *rand.Rand) string { return "req-" + hexOf(r, 3) + "1f" },
	"ord":       func(r *rand.Rand) string { return "ord_" + fmt.Sprint(10000+r.IntN(1e8)) },
	"blk":       func(r *rand.Rand) string { return fmt.Sprintf("blk_%d", int64(r.Uint64()|1<<60)) },
	"zk":        func(r *rand.Rand) string { return "0x1" + hexOf(r, 7) },
	"xid":       func(r *rand.Rand) string { return "c" + pick(r, "0123456789abcdefghijklmnopqrstuv", 9) + "8a215n4g0" },
	"attempt": func(r *rand.Rand) string {
		return fmt.Sprintf("attempt_%d_%04d_m_%06d_0", 1445000000000+r.Int64N(1e9), r.IntN(9999), r.IntN(999))
	},
	"appattempt": func(r *rand.Rand) string {
		return fmt.Sprintf("appattempt_%d_%04d_000001", 1445000000000+r.Int64N(1e9), r.IntN(9999))
	},
}

var fillers = map[string]func(*rand.Rand) string{
	"ts":     func(r *rand.Rand) string { return when(r).Format("2006-01-02 15:04:05.000") },
	"iso":    func(r *rand.Rand) string { return when(r).Format(time.RFC3339Nano) },
	"apache": func(r *rand.Rand) string { return when(r).Format("Mon Jan 02 15:04:05 2006") },
	"pid":    func(r *rand.Rand) string { return fmt.Sprint(r.IntN(65536)) },
	"num":    func(r *rand.Rand) string { return fmt.Sprint(r.IntN(1e9)) },
	"line":   func(r *rand.Rand) string { return fmt.Sprint(1 + r.IntN(2000)) },
	"digit":  func(r *rand.Rand) string { return fmt.Sprint(r.IntN(10)) },
	"port":   func(r *rand.Rand) string { return fmt.Sprint(1024 + r.IntN(60000)) },
	"ip": func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
	},
	"dashedip": func(r *rand.Rand) string {
		return fmt.Sprintf("%d-%d-%d-%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
	},
	"ver":  func(r *rand.Rand) string { return fmt.Sprintf("%d.%d.%d", r.IntN(20), r.IntN(99), r.IntN(999)) },
	"host": func(r *rand.Rand) string { return fmt.Sprintf("node-%d", r.IntN(300)) },
	"pod": func(r *rand.Rand) string {
		return "checkout-" + pick(r, "bcdf456789", 10) + "-" + pick(r, "bcdfghjklmnpqrstvwxz2456789", 5)
	},
}

func when(r *rand.Rand) time.Time { return time.UnixMilli(1_900_000_000_000 + r.Int64N(1e11)).UTC() }

func hexOf(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0], b[n-1] = b[0]|0xa0&0xef, b[n-1]&0x1f|0x10 // a letter and a digit: hex of digits alone is a number
	return hex.EncodeToString(b)
}

func uuidOf(r *rand.Rand) string {
	h := hexOf(r, 16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

func pick(r *rand.Rand, from string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[r.IntN(len(from))]
	}
	return string(b)
}

var (
	brace        = regexp.MustCompile(`\{[A-Za-z0-9]+\}`)
	wholeRequest = regexp.MustCompile(`req-[0-9a-f-]{36}`)
)

// filled makes a line and the normal forms of the IDs in it.
func filled(r *rand.Rand, layout string) (line string, ids []string) {
	line = brace.ReplaceAllStringFunc(layout, func(name string) string {
		name = strings.Trim(name, "{}")
		if make, ok := fillers[name]; ok {
			return make(r)
		}
		id := idFillers[name](r)
		ids = append(ids, Normalize(id))
		return id
	})
	for _, id := range ids { // a UUID behind a prefix is an ID, and so is the whole
		for _, whole := range wholeRequest.FindAllString(line, -1) {
			if strings.ReplaceAll(whole[4:], "-", "") == id {
				ids = append(ids, whole)
			}
		}
	}
	slices.Sort(ids)
	return line, slices.Compact(ids)
}

// Every ID of every line is found, and nothing else.
func TestRecallAndPrecision(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	placed, missed, wrong := 0, 0, 0
	for _, layout := range layouts {
		for range 500 {
			line, want := filled(rng, layout)
			var got []string
			for _, id := range AppendLog(nil, &telemetry.Log{Body: telemetry.String(line)}) {
				if len(id.Value) == 32 && strings.HasPrefix(id.Value, "0000000000000000") {
					continue // the padded form of an ID of 64 bits
				}
				got = append(got, id.Value)
			}
			placed += len(want)
			for _, id := range want {
				if !slices.Contains(got, id) {
					if missed++; missed < 20 {
						t.Errorf("missed %q in %q", id, line)
					}
				}
			}
			for _, id := range got {
				if !slices.Contains(want, id) {
					if wrong++; wrong < 20 {
						t.Errorf("%q is no ID, in %q", id, line)
					}
				}
			}
		}
	}
	t.Logf("%d IDs in %d lines: %d missed, %d wrong", placed, 500*len(layouts), missed, wrong)
}
