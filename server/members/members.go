// Package members knows which processes of clew share work, and which of them
// has a piece of it. Processes find each other by gossip (hashicorp/memberlist,
// a SWIM protocol); a piece belongs to the process whose name and the piece's
// hash highest together (rendezvous hashing: Thaler and Ravishankar, 1998), so
// that all processes with the same view agree, and one that comes or goes moves
// only its own share.
//
// While a failure is being noticed, and while views differ, a piece may have
// two owners or none for some seconds. Work that is shared this way has to bear
// that, as the evaluation of rules does.
//
// It imports nothing of clew.
package members

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/hashicorp/memberlist"
	"github.com/prometheus/common/model"
)

// Config says how processes find each other.
type Config struct {
	// Listen is the address for gossip, over UDP and TCP; "" means that this process shares work with nobody.
	Listen string `yaml:"listen"`
	// Advertise is the address at which others reach it, "" for what listen says.
	Advertise string `yaml:"advertise"`
	// URL is where the others reach this process's APIs, "" for http:// and server.http_listen.
	URL string `yaml:"url"`
	// Name tells this process from the others, "" for the host's name and the port of listen.
	Name string `yaml:"name"`
	// SecretKey encrypts gossip and keeps strangers out: 16, 24 or 32 bytes in base64, the same for all; "" leaves it open.
	SecretKey string `yaml:"secret_key"`
	// Join lists addresses of some of the others, host:port. A name may stand for many of them, as a headless service's does.
	Join []string `yaml:"join"`
	// RejoinInterval is how often these are looked for again, so that a cluster that fell apart comes together. Where none of them is found it is sooner at first, from probe_interval on.
	RejoinInterval model.Duration `yaml:"rejoin_interval"`
	// ProbeInterval is how often another process is asked whether it lives. One that died is known to all after about six of them.
	ProbeInterval model.Duration `yaml:"probe_interval"`
	// LeaveTimeout is how long the others may take to hear that this process stops, or what else it has to tell.
	LeaveTimeout model.Duration `yaml:"leave_timeout"`
	// LostFor is how long answers say that a collector died, which may hold records that nobody else has; 0 is never. They say it no more once it is there again.
	LostFor model.Duration `yaml:"lost_for"`
	// AskConcurrency is how many questions about rules each ruler is asked at once; the next ones wait. Timeout, retries and circuit breaker are those of alert.
	AskConcurrency uint `yaml:"ask_concurrency"`
}

// DefaultConfig returns what is used where nothing else is configured.
func DefaultConfig() Config {
	return Config{
		RejoinInterval: model.Duration(30 * time.Second),
		ProbeInterval:  model.Duration(time.Second),
		LeaveTimeout:   model.Duration(2 * time.Second),
		LostFor:        model.Duration(time.Hour),
		AskConcurrency: 8,
	}
}

// Validate says what is wrong, all of it at once.
func (c Config) Validate() error {
	var errs []error
	address := func(key, a string) {
		if _, _, err := split(a); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q, want host:port, such as 10.0.0.7:7946: %w", key, a, err))
		}
	}
	if c.Listen == "" && len(c.Join) > 0 {
		errs = append(errs, errors.New("join is set without listen"))
	}
	if c.Listen != "" {
		address("listen", c.Listen)
	}
	if c.Advertise != "" {
		address("advertise", c.Advertise)
	}
	for _, a := range c.Join {
		address("join", a)
	}
	if _, err := c.key(); err != nil {
		errs = append(errs, err)
	}
	if c.AskConcurrency == 0 {
		errs = append(errs, errors.New("ask_concurrency: 0, want 1 or more"))
	}
	for key, d := range map[string]model.Duration{"rejoin_interval": c.RejoinInterval, "probe_interval": c.ProbeInterval, "leave_timeout": c.LeaveTimeout} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s: %s, want more than 0", key, d))
		}
	}
	if c.LostFor < 0 {
		errs = append(errs, fmt.Errorf("lost_for: %s, want 0s or more", c.LostFor))
	}
	return errors.Join(errs...)
}

// key decodes the secret.
func (c Config) key() ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(c.SecretKey)
	if n := len(key); err != nil || n != 0 && n != 16 && n != 24 && n != 32 {
		return nil, errors.New("secret_key: want 16, 24 or 32 bytes in base64, as of: head -c 32 /dev/urandom | base64")
	}
	return key, nil
}

func split(address string) (string, int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return host, int(n), err
}

// Member is a process that shares the work.
type Member struct {
	Name    string
	Address string // for gossip
	About
}

// About is what a process tells of itself.
type About struct {
	Target string `json:"target"` // its role; all has every role
	URL    string `json:"url"`    // of its APIs
	// Late is set where it has acknowledged what is not yet where all can read
	// it, Since in seconds of Unix time since when, 0 where it does not know.
	Late  bool  `json:"late,omitempty"`
	Since int64 `json:"since,omitempty"`
	// Leaving is set by Leave, so that the others can tell it from a death.
	Leaving bool `json:"leaving,omitempty"`
}

// Lost is a process that died without a word.
type Lost struct {
	Name string
	At   time.Time // when this process noticed
	About
}

// Has reports whether the process has a role.
func (a About) Has(role string) bool { return a.Target == role || a.Target == "all" }

// Members is the view of one process. A nil one is a process by itself. It is
// safe for concurrent use.
type Members struct {
	cfg     Config
	name    string
	log     *slog.Logger
	list    *memberlist.Memberlist
	changed func()
	stop    chan struct{}
	loops   sync.WaitGroup
	kick    chan struct{}
	told    *told

	// What memberlist has told of the others: what it hands out itself it
	// changes meanwhile.
	mu    sync.Mutex
	there map[string]Member
	lost  map[string]Lost
}

// Join begins to share work with others, who are told about this process.
// changed is called, by one goroutine, after somebody came or went.
func Join(cfg Config, about About, log *slog.Logger, changed func()) (*Members, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Members{
		cfg: cfg, name: cfg.Name, log: log.With("module", "members"), changed: changed, stop: make(chan struct{}), kick: make(chan struct{}, 1),
		told: &told{}, there: map[string]Member{}, lost: map[string]Lost{},
	}
	if err := m.told.set(about); err != nil {
		return nil, err
	}
	var err error
	conf := memberlist.DefaultLANConfig()
	if conf.BindAddr, conf.BindPort, err = split(cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if conf.SecretKey, err = cfg.key(); err != nil {
		return nil, err
	}
	conf.AdvertisePort = conf.BindPort
	if cfg.Advertise != "" {
		if conf.AdvertiseAddr, conf.AdvertisePort, err = split(cfg.Advertise); err != nil {
			return nil, fmt.Errorf("advertise: %w", err)
		}
	}
	if m.name == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("name this process: %w", err)
		}
		m.name = fmt.Sprintf("%s-%d", host, conf.BindPort)
	}
	conf.Name, conf.ProbeInterval = m.name, time.Duration(cfg.ProbeInterval)
	conf.ProbeTimeout = time.Duration(cfg.ProbeInterval) / 2
	conf.Events, conf.Delegate, conf.LogOutput = events{m}, m.told, logWriter{m.log}
	if m.list, err = memberlist.Create(conf); err != nil {
		return nil, fmt.Errorf("open %s for gossip: %w", cfg.Listen, err)
	}
	found := m.look() // before this process takes all work for its own
	m.loops.Go(func() { m.rejoin(found) })
	m.loops.Go(m.tell)
	return m, nil
}

// rejoin looks for the others from time to time. Where none of those that are
// missing was found it looks again soon, and less and less often: processes
// that are started together do not find each other at once, and one that is
// alone takes all work for its own.
func (m *Members) rejoin(found bool) {
	often, soon := time.Duration(m.cfg.RejoinInterval), time.Duration(m.cfg.ProbeInterval)
	next := min(soon, often)
	for {
		wait := often
		if !found {
			wait, next = next, min(2*next, often)
		}
		select {
		case <-time.After(wait):
		case <-m.stop:
			return
		}
		if found = m.look(); found {
			next = min(soon, often)
		}
	}
}

// look joins those that are missing, and reports whether there was any to be
// found.
func (m *Members) look() bool {
	missing := m.missing()
	if len(missing) == 0 {
		return true
	}
	if _, err := m.list.Join(missing); err != nil {
		m.log.Warn("not all of the other processes can be reached; trying again", "addresses", missing, "err", err)
		return false
	}
	return true
}

// missing lists the addresses to join that no member has.
func (m *Members) missing() []string {
	known := map[string]bool{}
	for _, o := range m.List() {
		known[o.Address] = true
	}
	return slices.DeleteFunc(slices.Clone(m.cfg.Join), func(a string) bool { return known[a] })
}

// tell calls changed, once for many changes at a time.
func (m *Members) tell() {
	for {
		select {
		case <-m.kick:
			m.changed()
		case <-m.stop:
			return
		}
	}
}

// Name is what the others call this process.
func (m *Members) Name() string { return m.name }

// Tell tells the others what is now so about this process.
func (m *Members) Tell(about About) error {
	if err := m.told.set(about); err != nil {
		return err
	}
	return m.list.UpdateNode(time.Duration(m.cfg.LeaveTimeout))
}

// Lost returns who died within LostFor and was not seen again, by name.
func (m *Members) Lost() []Lost {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.lost, func(_ string, l Lost) bool { return time.Since(l.At) > time.Duration(m.cfg.LostFor) })
	return slices.SortedFunc(maps.Values(m.lost), func(a, b Lost) int { return strings.Compare(a.Name, b.Name) })
}

// List returns who shares the work, this process among them, by name.
func (m *Members) List() []Member {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.there), func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
}

func memberOf(n *memberlist.Node) Member {
	return Member{Name: n.Name, Address: n.Address(), About: aboutOf(n)}
}

// aboutOf is nothing for a process that tells what nobody understands.
func aboutOf(n *memberlist.Node) (a About) {
	if json.Unmarshal(n.Meta, &a) != nil {
		return About{}
	}
	return a
}

// Owns reports whether a piece of work is this process's among those of a role.
func (m *Members) Owns(role, piece string) bool {
	if m == nil {
		return true
	}
	var names []string
	for _, o := range m.List() {
		if o.Has(role) {
			names = append(names, o.Name)
		}
	}
	return owner(names, piece) == m.name
}

// owner returns the name that hashes highest together with a piece.
func owner(names []string, piece string) string {
	best, top := "", uint64(0)
	for _, n := range names {
		if h := xxhash.Sum64String(n + "\x00" + piece); best == "" || h > top || h == top && n < best {
			best, top = n, h
		}
	}
	return best
}

// Leave tells the others that this process stops, and stops sharing.
func (m *Members) Leave() error {
	if m == nil {
		return nil
	}
	close(m.stop)
	m.loops.Wait()
	about := m.told.about()
	about.Leaving = true
	return errors.Join(m.Tell(about), m.list.Leave(time.Duration(m.cfg.LeaveTimeout)), m.list.Shutdown())
}

// events wakes tell; memberlist holds locks while it calls.
type events struct{ *Members }

// NotifyJoin implements memberlist.EventDelegate.
func (e events) NotifyJoin(n *memberlist.Node) {
	e.mu.Lock()
	delete(e.lost, n.Name)
	e.there[n.Name] = memberOf(n)
	e.mu.Unlock()
	e.note("a process joined", n)
}

// NotifyLeave implements memberlist.EventDelegate.
func (e events) NotifyLeave(n *memberlist.Node) {
	about, what := aboutOf(n), "a process left"
	e.mu.Lock()
	delete(e.there, n.Name)
	if !about.Leaving {
		e.lost[n.Name] = Lost{Name: n.Name, At: time.Now(), About: about}
		what = "a process died"
	}
	e.mu.Unlock()
	e.note(what, n)
}

// NotifyUpdate implements memberlist.EventDelegate.
func (e events) NotifyUpdate(n *memberlist.Node) {
	e.mu.Lock()
	e.there[n.Name] = memberOf(n)
	e.mu.Unlock()
}

func (e events) note(what string, n *memberlist.Node) {
	if n.Name == e.name {
		return
	}
	e.log.Info(what, "name", n.Name, "address", n.Address())
	select {
	case e.kick <- struct{}{}:
	default: // one is waiting already
	}
}

// told is what a process tells the others about itself.
type told struct {
	mu   sync.Mutex
	last About
	meta []byte
}

func (t *told) set(about About) error {
	meta, err := json.Marshal(about)
	if err != nil || len(meta) > memberlist.MetaMaxSize {
		return fmt.Errorf("url: %d bytes about this process, want %d at most: %w", len(meta), memberlist.MetaMaxSize, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.meta = about, meta
	return nil
}

func (t *told) about() About {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// NodeMeta implements memberlist.Delegate.
func (t *told) NodeMeta(int) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.meta
}

// NotifyMsg implements memberlist.Delegate.
func (*told) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (*told) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (*told) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (*told) MergeRemoteState([]byte, bool) {}

// logWriter takes memberlist's own log, which is about every packet that is
// odd, at the level of debugging.
type logWriter struct{ *slog.Logger }

var _ io.Writer = logWriter{}

// Write implements io.Writer.
func (w logWriter) Write(p []byte) (int, error) {
	w.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}
