package members

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/clewhq/clew/internal/freeport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// process is a member of a test.
type process struct {
	*Members
	changed chan struct{}
}

func join(t *testing.T, name, listen string, others ...string) *process {
	t.Helper()
	return joinEvery(t, 100*time.Millisecond, name, listen, others...)
}

// joinEvery is join with another rejoin_interval.
func joinEvery(t *testing.T, rejoin time.Duration, name, listen string, others ...string) *process {
	t.Helper()
	p := &process{changed: make(chan struct{}, 100)}
	c := DefaultConfig()
	c.Name, c.Listen, c.Join = name, listen, others
	c.SecretKey = "MDEyMzQ1Njc4OWFiY2RlZg=="
	c.ProbeInterval, c.RejoinInterval = model.Duration(100*time.Millisecond), model.Duration(rejoin)
	m, err := Join(c, About{Target: "ruler", URL: "http://" + name}, slog.New(slog.DiscardHandler), func() { p.changed <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	p.Members = m
	return p
}

// sees waits until a process sees exactly these members.
func (p *process) sees(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		var got []string
		for _, m := range p.List() {
			text := m.Name + " " + m.URL
			if m.Late {
				text += fmt.Sprintf(" late since %d", m.Since)
			}
			got = append(got, text)
		}
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-p.changed:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%s sees %q, want %q", p.name, got, want)
		}
	}
}

// Who is started before the others finds them soon, however seldom it looks for
// them later.
func TestStartedTooSoon(t *testing.T) {
	at := []string{freeAddress(t), freeAddress(t)}
	a := joinEvery(t, time.Hour, "a", at[0], at[1])
	a.sees(t, "a http://a")
	b := joinEvery(t, time.Hour, "b", at[1])
	a.sees(t, "a http://a", "b http://b")
	for _, p := range []*process{a, b} {
		if err := p.Leave(); err != nil {
			t.Error(err)
		}
	}
}

// Pieces have one owner each; when a process dies or leaves the others have its
// share, and keep their own.
func TestShares(t *testing.T) {
	at := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	a, b, c := join(t, "a", at[0], at[1]), join(t, "b", at[1], at[0]), join(t, "c", at[2], at[0])
	all := []*process{a, b, c}
	for _, p := range all {
		p.sees(t, "a http://a", "b http://b", "c http://c")
	}
	owners := func(of []*process) map[string]string {
		out := map[string]string{}
		for i := range 300 {
			piece := fmt.Sprint("group ", i)
			for _, p := range of {
				if p.Owns("ruler", piece) {
					if out[piece] != "" {
						t.Errorf("%s belongs to %s and %s", piece, out[piece], p.name)
					}
					out[piece] = p.name
				}
			}
			if out[piece] == "" {
				t.Errorf("%s belongs to nobody", piece)
			}
		}
		return out
	}
	before := owners(all)
	share := map[string]int{}
	for _, name := range before {
		share[name]++
	}
	for _, name := range []string{"a", "b", "c"} {
		if share[name] < 60 {
			t.Errorf("%s has %d of 300", name, share[name])
		}
	}

	if err := b.Tell(About{Target: "ruler", URL: "http://b", Late: true, Since: 7}); err != nil {
		t.Fatal(err)
	}
	a.sees(t, "a http://a", "b http://b late since 7", "c http://c")
	close(b.stop) // dies without a word
	b.loops.Wait()
	if err := b.list.Shutdown(); err != nil {
		t.Fatal(err)
	}
	a.sees(t, "a http://a", "c http://c")
	c.sees(t, "a http://a", "c http://c")
	for piece, name := range owners([]*process{a, c}) {
		if before[piece] != "b" && before[piece] != name {
			t.Errorf("%s went from %s to %s, and b died", piece, before[piece], name)
		}
	}
	if l := a.Lost(); len(l) != 1 || l[0].Name != "b" || !l[0].Late || !l[0].Has("ruler") {
		t.Errorf("lost: %+v, want b", l)
	}
	if err := c.Leave(); err != nil {
		t.Error(err)
	}
	a.sees(t, "a http://a")
	b = join(t, "b", at[1], at[0])
	a.sees(t, "a http://a", "b http://b")
	if l := a.Lost(); len(l) != 0 { // one is there again, one has said that it goes
		t.Errorf("lost: %+v, want nobody", l)
	}
	if err := b.Leave(); err != nil {
		t.Error(err)
	}
	if err := a.Leave(); err != nil {
		t.Error(err)
	}
}

func TestAlone(t *testing.T) {
	var m *Members
	if !m.Owns("ruler", "anything") || m.List() != nil || m.Lost() != nil || m.Leave() != nil {
		t.Error("a process by itself has everything")
	}
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"join is set without listen": func(c *Config) { c.Join = []string{"127.0.0.1:1"} },
		`listen: "x"`:                func(c *Config) { c.Listen = "x" },
		`advertise: "127.0.0.1:x"`:   func(c *Config) { c.Listen, c.Advertise = "127.0.0.1:0", "127.0.0.1:x" },
		"secret_key: want":           func(c *Config) { c.SecretKey = "c2hvcnQ=" },
		"probe_interval":             func(c *Config) { c.ProbeInterval = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
