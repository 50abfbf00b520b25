package ship

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/clewhq/clew/loadtest/proc"
	"github.com/clewhq/clew/loadtest/send"
)

// Config says who is compared, and how.
type Config struct {
	// Elasticsearch is where all of them write to.
	Elasticsearch string
	// Programs are the paths of the programs, by the names in Programs.
	Programs map[string]string
	// Sides are the names of who is compared; none is everybody.
	Sides []string
	// Rounds is how often each of them has its turn. One turn more, first of
	// all, is not counted: it warms Elasticsearch up.
	Rounds int
	// Send is how the load is sent; endpoint and signals are set here.
	Send send.Config
	// Quiet is how long Elasticsearch and the program must have been still to
	// count as done, SettleMax how long is waited for that at most.
	Quiet, SettleMax time.Duration
	// StartWithin is how long a program may take to start, and to stop.
	StartWithin time.Duration
	// Timeout ends one request to Elasticsearch.
	Timeout time.Duration
	// Proc is where the kernel tells about processes.
	Proc string
	// Log takes a line for each step; nil takes none.
	Log io.Writer
}

// DefaultConfig gives everybody three turns.
func DefaultConfig() Config {
	return Config{
		Programs: map[string]string{}, Rounds: 3, Send: send.DefaultConfig(),
		Quiet: 3 * time.Second, SettleMax: 5 * time.Minute, StartWithin: 2 * time.Minute,
		Timeout: 5 * time.Minute, Proc: proc.Root,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if u, err := url.Parse(c.Elasticsearch); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("address of Elasticsearch is %q: want a URL such as http://127.0.0.1:9200", c.Elasticsearch)
	}
	for _, name := range c.Sides {
		if !slices.ContainsFunc(sides, func(s side) bool { return s.name == name }) {
			return fmt.Errorf("side %q is not known: want some of %s", name, strings.Join(Names(), ", "))
		}
	}
	for _, s := range c.chosen() {
		if c.Programs[s.program] == "" {
			return fmt.Errorf("no program for %s: want %s=PATH", s.name, s.program)
		}
	}
	switch {
	case c.Rounds < 1:
		return fmt.Errorf("%d rounds: want 1 or more", c.Rounds)
	case c.Quiet <= 0 || c.SettleMax < c.Quiet:
		return fmt.Errorf("settled after %s of quiet, %s at most: want more than 0, and no less at most", c.Quiet, c.SettleMax)
	case c.StartWithin <= 0 || c.Timeout <= 0:
		return fmt.Errorf("%s for a start, %s for a request: want positive times", c.StartWithin, c.Timeout)
	}
	return nil
}

// chosen are the sides that are compared.
func (c Config) chosen() []side {
	var out []side
	for _, s := range sides {
		if len(c.Sides) == 0 || slices.Contains(c.Sides, s.name) {
			out = append(out, s)
		}
	}
	return out
}

// ParsePrograms reads name=path,name=path.
func ParsePrograms(text string) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		name, path, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("program %q: want name=path", pair)
		}
		if !slices.Contains(Programs, name) {
			return nil, fmt.Errorf("program %q is not known: want some of %s", name, strings.Join(Programs, ", "))
		}
		if out[name] != "" {
			return nil, errors.New("program " + name + " is given twice")
		}
		out[name] = path
	}
	return out, nil
}
