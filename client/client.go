package client

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/colorprofile"
	"golang.org/x/term"

	"github.com/clewhq/clew/internal/tenant"
	"github.com/clewhq/clew/internal/timearg"
)

// DefaultServer is where `clew serve` listens by default.
const DefaultServer = "http://127.0.0.1:2539"

// The widths of a terminal that nobody knows, and the narrowest and widest
// that are rendered for.
const (
	defaultWidth = 120
	minWidth     = 70
	maxWidth     = 220
)

// The outputs.
const (
	OutputText = "text"
	OutputJSON = "json"
)

// Options is what all client commands have in common.
type Options struct {
	Server string // base URL
	Tenant string
	Token  string // bearer token, where the server wants one
	From   string
	To     string
	Output string // text or json
	// Timeout bounds a question; following is not bounded.
	Timeout time.Duration
}

// Client asks one server.
type Client struct {
	opts  Options
	base  *url.URL
	http  *http.Client
	out   io.Writer
	width int
	now   func() time.Time
}

// New returns a client that writes to out. Colours and width follow out and
// env (NO_COLOR, COLUMNS, ...). An error is one of usage.
func New(o Options, out io.Writer, env []string) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(o.Server, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, usagef("server %q: want a URL such as %s", o.Server, DefaultServer)
	}
	if o.Output != OutputText && o.Output != OutputJSON {
		return nil, usagef("output %q: want %s or %s", o.Output, OutputText, OutputJSON)
	}
	if o.Tenant != "" {
		if err := tenant.Check(o.Tenant); err != nil {
			return nil, usagef("%v", err)
		}
	}
	c := &Client{opts: o, base: base, http: &http.Client{}, width: widthOf(out, env), now: time.Now}
	for _, t := range []struct{ flag, value string }{{"from", o.From}, {"to", o.To}} {
		if _, err := c.time(t.value, time.Time{}); err != nil {
			return nil, usagef("--%s: %v", t.flag, err)
		}
	}
	c.out = colorprofile.NewWriter(out, env)
	return c, nil
}

func widthOf(out io.Writer, env []string) int {
	width := defaultWidth
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "COLUMNS="); ok {
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				width = n
			}
		}
	}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	return min(max(width, minWidth), maxWidth)
}

// time reads a --from or --to; an empty one is otherwise.
func (c *Client) time(s string, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	return timearg.Parse(s, c.now())
}

// window returns the range of --from and --to, by default back from now.
func (c *Client) window(back time.Duration) (from, to time.Time, err error) {
	if to, err = c.time(c.opts.To, c.now()); err != nil {
		return from, to, usagef("--to: %v", err)
	}
	if from, err = c.time(c.opts.From, to.Add(-back)); err != nil {
		return from, to, usagef("--from: %v", err)
	}
	if !from.Before(to) {
		return from, to, usagef("--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, nil
}

// rangeParams adds from and to as they were given.
func (c *Client) rangeParams(q url.Values) {
	if c.opts.From != "" {
		q.Set("from", c.opts.From)
	}
	if c.opts.To != "" {
		q.Set("to", c.opts.To)
	}
}

func (c *Client) json() bool { return c.opts.Output == OutputJSON }

func (c *Client) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// table prints rows of cells in columns; the columns of right are aligned on
// their right side.
func (c *Client) table(rows [][]string, right ...int) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], cellWidth(cell))
		}
	}
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-cellWidth(cell))
			switch {
			case slices.Contains(right, i):
				b.WriteString(pad + cell)
			case i < len(row)-1:
				b.WriteString(cell + pad)
			default:
				b.WriteString(cell)
			}
			if i < len(row)-1 {
				b.WriteString("  ")
			}
		}
		line := b.String()
		if n == 0 {
			line = faint(line)
		}
		c.printf("%s\n", line)
	}
}
