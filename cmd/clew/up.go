package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clewhq/clew/server"
	"github.com/clewhq/clew/server/config"
)

// up is what `make run` runs: server and agent on this host, and a few lines
// that say where everything is.
type up struct {
	out    io.Writer
	config config.Config
	file   string   // the server's configuration file
	flags  []string // the server's flags, as they were given
	agent  string   // the agent's program; "" runs none
	wait   time.Duration
}

func upCommand() *cobra.Command {
	u := up{}
	f := config.Default()
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run server and agent on this host and say where everything is",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd, u.file, f)
			if err != nil {
				return err
			}
			u.config, u.out = c, cmd.OutOrStdout()
			u.flags = givenFlags(cmd)
			return u.run(cmd.Context())
		},
	}
	addServeFlags(cmd, &u.file, &f)
	cmd.Flags().StringVar(&u.agent, "agent", "", "the clew-agent program to run beside the server")
	cmd.Flags().DurationVar(&u.wait, "wait", time.Minute, "how long the server may take to get ready")
	return cmd
}

// givenFlags repeats the server's own flags for the child process.
func givenFlags(cmd *cobra.Command) []string {
	var out []string
	serve := serveCommand().Flags()
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if serve.Lookup(f.Name) != nil {
			out = append(out, "--"+f.Name+"="+strings.Trim(f.Value.String(), "[]"))
		}
	})
	return out
}

func (u *up) run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir := u.config.Storage.Local.Dir
	srv, err := startChild("server", dir, self, append([]string{"serve"}, u.flags...))
	if err != nil {
		return err
	}
	defer srv.stop()
	fmt.Fprintln(u.out, "starting the server ...")
	if err := u.ready(ctx, srv); err != nil {
		return err
	}
	children := []*child{srv}
	if u.agent != "" {
		agent, err := startChild("agent", dir, u.agent, []string{
			"--endpoint", "http://" + u.config.Server.OTLPHTTPListen, "--data-dir", filepath.Join(dir, "agent"),
		})
		if err != nil {
			return err
		}
		defer agent.stop() // before the server's, so that the agent can drain
		children = append(children, agent)
	}
	u.banner(children)
	return u.watch(ctx, children)
}

// ready waits until the server can answer.
func (u *up) ready(ctx context.Context, srv *child) error {
	ctx, cancel := context.WithTimeout(ctx, u.wait)
	defer cancel()
	for {
		if get(ctx, u.base()+"/readyz", nil) == nil {
			return nil
		}
		select {
		case <-srv.done:
			return srv.failure()
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready within %s; its log is %s", u.wait, srv.log)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (u *up) base() string { return "http://" + u.config.Server.HTTPListen }

func (u *up) banner(children []*child) {
	s := u.config.Server
	rows := [][2]string{
		{"web interface", u.base() + "/"},
		{"Grafana data sources", "Loki " + u.base()},
		{"", "Prometheus " + u.base() + "/prometheus"},
		{"", "Tempo " + u.base() + "/tempo"},
		{"", "Jaeger " + u.base() + "/jaeger"},
		{"send OTLP to", fmt.Sprintf("grpc %s, http %s", s.OTLPGRPCListen, s.OTLPHTTPListen)},
		{"data", u.config.Storage.Local.Dir},
	}
	for _, c := range children {
		rows = append(rows, [2]string{c.name + "'s log", c.log})
	}
	fmt.Fprintln(u.out, "\nclew is running on this host.")
	for _, r := range rows {
		fmt.Fprintf(u.out, "  %-21s %s\n", r[0], r[1])
	}
	fmt.Fprintln(u.out)
}

// How often the rates are looked at, and how often a line is printed where
// nobody watches a terminal.
const (
	watchEvery = 2 * time.Second
	printEvery = 10 * time.Second
)

// An ID that only one or two records carry makes a short story: in the first
// moments it is worth waiting for a better one.
const (
	goodStory   = 4 // records
	waitForGood = 10 * time.Second
)

// watch prints rates until ctx ends or a child does, and one ID to pull as
// soon as there is one.
func (u *up) watch(ctx context.Context, children []*child) error {
	var printed time.Time
	started, shown := time.Now(), false
	ended := firstEnd(children)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(u.out, "\nstopping ...")
			return nil
		case c := <-ended:
			return c.failure()
		case <-tick.C:
		}
		var st server.Status
		if err := get(ctx, u.base()+"/api/v1/status", &st); err != nil {
			continue // a busy machine; the next tick tells
		}
		if st.SampleID != nil && !shown && (st.SampleID.Records >= goodStory || time.Since(started) > waitForGood) {
			shown = true
			fmt.Fprintf(u.out, "Pull an ID (%s, seen in %s):\n  %s correlate %s%s\n\n", st.SampleID.Kind, st.SampleID.Service, program(), st.SampleID.ID, u.serverFlag())
		}
		if time.Since(printed) >= printEvery || printed.IsZero() {
			printed = time.Now()
			fmt.Fprintf(u.out, "coming in per second: %7.1f logs %7.1f metrics %6.1f spans   (in all %.0f, %.0f, %.0f; Ctrl-C stops)\n",
				st.PerSecond["logs"], st.PerSecond["metrics"], st.PerSecond["traces"], st.Total["logs"], st.Total["metrics"], st.Total["traces"])
		}
	}
}

// serverFlag is what a command needs to find a server that does not listen
// where clients look by default.
func (u *up) serverFlag() string {
	if u.config.Server.HTTPListen == config.Default().Server.HTTPListen {
		return ""
	}
	return " --server " + u.base()
}

// program is how the person who started this one can call it again.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "clew"
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, self); err == nil && !strings.HasPrefix(rel, "..") {
			return rel
		}
	}
	return self
}

func get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, res.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(into)
}
