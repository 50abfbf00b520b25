package compare

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clewhq/clew/loadtest/proc"
	"github.com/clewhq/clew/loadtest/send"
)

// Config says who is compared, and how.
type Config struct {
	// Targets are clew and its peers, in the order in which they are loaded.
	Targets []Target
	// Send is how the load is sent; endpoint and signals are set per target.
	Send send.Config
	// Load is false where the targets hold the workload already.
	Load bool
	// Questions is how many of each kind are asked, Rounds in how many turns
	// the targets take. A run without load asks them as they come: cold.
	Questions, Rounds int
	// WarmUp is how many of each kind are asked before anything is measured.
	WarmUp int
	// Cold is how many questions of each kind of look-up are asked in place of
	// all others, each the first one after a start of the target with nothing
	// of it in the page cache, and ColdPause how long after that. It needs the
	// commands and directories of all targets.
	Cold      int
	ColdPause time.Duration
	// StartWithin is how long a start may take, and a stop.
	StartWithin time.Duration
	// Quiet is how long a target's CPU and directory must have been still to
	// count as settled, SettleMin how long is waited in any case, SettleMax
	// how long at most.
	Quiet, SettleMin, SettleMax time.Duration
	// Timeout ends one question.
	Timeout time.Duration
	// Proc is where the kernel tells about processes.
	Proc string
	// Log takes a line for each step; nil takes none.
	Log io.Writer
}

// Target is a store in the comparison.
type Target struct {
	// Name is one of Names: it says what the target is.
	Name string
	// URL is where it is asked, OTLP where it takes OTLP over HTTP, without
	// /v1/....
	URL, OTLP string
	// Command runs it; without one it must be running.
	Command []string
	// PID is its process; 0 finds it by the port of OTLP.
	PID int
	// Dirs are where it keeps its data; none leaves bytes on disk out.
	Dirs []string
}

// DefaultConfig asks thirty questions of a kind in three rounds.
func DefaultConfig() Config {
	return Config{
		Send: send.DefaultConfig(), Load: true, Questions: 30, Rounds: 3, WarmUp: 3,
		Quiet: 5 * time.Second, SettleMin: 10 * time.Second, SettleMax: 5 * time.Minute,
		Timeout: time.Minute, Proc: proc.Root, ColdPause: time.Second, StartWithin: 2 * time.Minute,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if len(c.Targets) < 2 {
		return errors.New("nothing to compare: want clew and at least one peer")
	}
	for _, t := range c.Targets {
		if err := t.validate(); err != nil {
			return err
		}
		if c.Cold > 0 && (len(t.Command) == 0 || len(t.Dirs) == 0) {
			return fmt.Errorf("cold starts of %s: want its --serve and its --dir", t.Name)
		}
	}
	switch {
	case c.Cold < 0 || c.ColdPause < 0 || c.StartWithin <= 0:
		return fmt.Errorf("%d cold starts, %s before a question, %s for a start: want 0 or more, 0 or more, more than 0", c.Cold, c.ColdPause, c.StartWithin)
	case c.Questions < 1 || c.Rounds < 1 || c.WarmUp < 0:
		return fmt.Errorf("%d questions in %d rounds after %d: want at least 1, 1 and 0", c.Questions, c.Rounds, c.WarmUp)
	case c.Quiet <= 0 || c.SettleMin < 0 || c.SettleMax < c.SettleMin:
		return fmt.Errorf("settled after %s of quiet, %s at least and %s at most: want more than 0, and no less at most than at least", c.Quiet, c.SettleMin, c.SettleMax)
	case c.Timeout <= 0:
		return fmt.Errorf("timeout of a question is %s: want more than 0", c.Timeout)
	}
	return nil
}

func (t Target) validate() error {
	if _, ok := kinds[t.Name]; !ok {
		return fmt.Errorf("peer %q is not known: want one of %s", t.Name, strings.Join(Names(), ", "))
	}
	for _, s := range []string{t.URL, t.OTLP} {
		if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("address of %s is %q: want a URL such as http://127.0.0.1:9428", t.Name, s)
		}
	}
	return nil
}

// ParsePeers reads name=url,name=url. Where a peer takes OTLP at the address
// at which it is asked, that is set, too.
func ParsePeers(s string) ([]Target, error) {
	var out []Target
	for _, pair := range strings.Split(s, ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || address == "" {
			return nil, fmt.Errorf("peer %q: want name=url", pair)
		}
		k, known := kinds[name]
		switch {
		case !known || name == Clew:
			return nil, fmt.Errorf("peer %q is not known: want one of %s", name, strings.Join(slices.DeleteFunc(Names(), isClew), ", "))
		case slices.ContainsFunc(out, func(t Target) bool { return t.Name == name }):
			return nil, fmt.Errorf("peer %q is given twice", name)
		}
		address = strings.TrimSuffix(address, "/")
		t := Target{Name: name, URL: address}
		if k.otlpPath != "" {
			t.OTLP = address + k.otlpPath
		}
		out = append(out, t)
	}
	return out, nil
}

func isClew(name string) bool { return name == Clew }

// Assign sets something of the target that pair, name=value, names: "pid",
// "peer-otlp", "dir" or "serve".
func Assign(targets []Target, what, pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	if !ok || value == "" {
		return fmt.Errorf("--%s %q: want name=value", what, pair)
	}
	i := slices.IndexFunc(targets, func(t Target) bool { return t.Name == name })
	if i < 0 {
		return fmt.Errorf("--%s %q: no peer of that name is compared", what, pair)
	}
	switch what {
	case "pid":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("--pid %q: want the number of a process", pair)
		}
		targets[i].PID = n
	case "serve":
		targets[i].Command = strings.Fields(value)
	case "peer-otlp":
		targets[i].OTLP = strings.TrimSuffix(value, "/")
	default:
		targets[i].Dirs = append(targets[i].Dirs, value)
	}
	return nil
}
