package calls

import (
	"net"
	"net/url"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

// peer is what a span says of the other end of its call: a node's type, and up
// to three texts that its ID is made of.
type peer struct {
	kind    string // "" for nothing known
	a, b, c string
	// receives is set where messages come from the peer.
	receives bool
}

// id puts the ID together: a:b/c of what there is.
func (p *peer) id() string {
	return join(p.a, ":", join(p.b, "/", p.c))
}

// join puts sep between a and b where there are both.
func join(a, sep, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + sep + b
}

// peerOf reads the other end from a span's attributes.
func (f *facts) peerOf(kind telemetry.SpanKind) peer {
	if system := f.text[fieldMessaging]; system != "" {
		return peer{kind: TypeQueue, a: system, b: f.text[fieldDestination], receives: f.receives(kind)}
	}
	if kind == telemetry.SpanKindProducer || kind == telemetry.SpanKindConsumer {
		if dest := f.text[fieldDestination]; dest != "" {
			return peer{kind: TypeQueue, a: "messaging", b: dest, receives: f.receives(kind)}
		}
		return peer{}
	}
	if system := f.text[fieldDBSystem]; system != "" {
		return peer{kind: TypeDatabase, a: system, b: f.address(), c: f.text[fieldDBName]}
	}
	if name := f.text[fieldPeer]; name != "" {
		return peer{kind: TypeExternal, a: name}
	}
	if address := f.address(); address != "" {
		return peer{kind: TypeExternal, a: address}
	}
	return peer{}
}

// address returns the host that was called, without its port.
func (f *facts) address() string {
	if v := f.text[fieldAddress]; v != "" {
		return withoutPort(v)
	}
	if v := f.text[fieldURL]; v != "" {
		if u, err := url.Parse(v); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	return withoutPort(f.text[fieldHost])
}

func withoutPort(host string) string {
	if strings.Count(host, ":") == 1 || strings.HasPrefix(host, "[") {
		if h, _, err := net.SplitHostPort(host); err == nil {
			return h
		}
	}
	return host
}

// receives reports whether a messaging span takes messages rather than sends
// them.
func (f *facts) receives(kind telemetry.SpanKind) bool {
	switch strings.ToLower(f.text[fieldOperation]) {
	case "receive", "process", "deliver", "poll", "consume":
		return true
	case "publish", "send", "create":
		return false
	}
	return kind == telemetry.SpanKindConsumer
}
