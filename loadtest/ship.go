package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/clewhq/clew/internal/elastictest"
	"github.com/clewhq/clew/loadtest/ship"
	"github.com/clewhq/clew/loadtest/workload"
)

func (o *options) shipFlags(fs *flag.FlagSet) {
	c := &o.ship
	fs.Func("ship", "compare what it takes to bring the workload into Elasticsearch: `name=PROGRAM,...`, the paths of "+strings.Join(ship.Programs, " and of ")+
		" (an OpenTelemetry Collector with otlp, elasticsearch, health_check and file_storage)", func(s string) (err error) {
		c.Programs, err = ship.ParsePrograms(s)
		return err
	})
	fs.StringVar(&c.Elasticsearch, "elasticsearch", "", "Elasticsearch for --ship, whose data streams of the same names are removed; none starts one")
	fs.Func("ship-sides", "`name,...` of those that are compared by --ship, of "+strings.Join(ship.Names(), ", "), func(s string) error {
		c.Sides = strings.Split(s, ",")
		return nil
	})
	fs.IntVar(&c.Rounds, "ship-rounds", c.Rounds, "turns of each of them, after one that is not counted")
}

// ships reports whether --ship is given.
func (o *options) ships() bool { return len(o.ship.Programs) > 0 }

// validateShip says what is wrong with a comparison by --ship.
func (o *options) validateShip() error {
	if o.doVerify || len(o.chaos.Command) > 0 || len(o.compare.Targets) > 0 {
		return errors.New("--ship goes with none of --verify, --chaos and --peer")
	}
	cfg := o.ship
	if cfg.Elasticsearch == "" {
		cfg.Elasticsearch = "http://one.that.is.started"
	}
	return cfg.Validate()
}

// runShip compares, in an Elasticsearch of its own where none is given.
func (o *options) runShip(ctx context.Context, w *workload.Workload, truth *workload.Truth, stderr io.Writer) (_ *ship.Report, err error) {
	cfg := o.ship
	cfg.Send = o.send
	if !o.quiet && !o.json {
		cfg.Log = stderr
	}
	if cfg.Elasticsearch == "" {
		dir, err := elastictest.TempDir()
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		node, err := elastictest.New(dir)
		if err != nil {
			return nil, fmt.Errorf("start Elasticsearch: %w", err)
		}
		defer node.Kill()
		cfg.Elasticsearch = node.URL
	}
	return ship.Run(ctx, cfg, w, truth)
}
