package workload

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// LineSource is a system that writes no telemetry but plain lines.
type LineSource struct {
	// Name is the system's, as service.name has it.
	Name  string
	Lines []string
}

const (
	// linesInTen is how many of ten log records are real lines in a mix.
	linesInTen = 3
	// hostsPerSource is on how many hosts a system runs, each a resource.
	hostsPerSource = 6
	// maxLineBytes keeps a broken file from becoming one record.
	maxLineBytes = 16 << 10
)

// ReadLines reads the files *.log of a directory, one source each, named by
// the file up to its first underscore or dot.
func ReadLines(dir fs.FS) ([]LineSource, error) {
	names, err := fs.Glob(dir, "*.log")
	if err != nil {
		return nil, fmt.Errorf("find log files: %w", err)
	}
	var out []LineSource
	for _, file := range names {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, fmt.Errorf("read log lines: %w", err)
		}
		name := strings.ToLower(strings.TrimSuffix(path.Base(file), ".log"))
		name, _, _ = strings.Cut(name, "_")
		s := LineSource{Name: name}
		for line := range strings.Lines(string(text)) {
			line = strings.ToValidUTF8(strings.TrimRight(line, "\r\n"), "\uFFFD")
			if strings.TrimSpace(line) != "" && len(line) <= maxLineBytes {
				s.Lines = append(s.Lines, line)
			}
		}
		if len(s.Lines) > 0 {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("read log lines: no file *.log with a line in it")
	}
	return out, nil
}

// mixShare is how many of n log records the first k of all requests bring as
// real lines.
func mixShare(k, n, requests int) int { return k * n / requests * linesInTen / 10 }

// addLines adds n real lines to what happens in the background.
func (w *Workload) addLines(s *Story, start int64, n int) {
	r := w.rng(saltLines, uint64(s.Index))
	for range n {
		source := &w.cfg.Lines[r.IntN(len(w.cfg.Lines))]
		line := source.Lines[r.IntN(len(source.Lines))]
		s.Background = append(s.Background, Log{
			Source: source.Name, Host: r.IntN(hostsPerSource), Time: start + r.Int64N(w.slot),
			Severity: severityOf(line), Body: line, Attrs: []Attr{{"log.file.name", source.Name + ".log"}},
		})
	}
}

// severityOf guesses as collectors do: by the first word that says one.
func severityOf(line string) Severity {
	const head = 120 // levels stand near the beginning
	upper := strings.ToUpper(line[:min(len(line), head)])
	switch {
	case strings.Contains(upper, "ERROR"), strings.Contains(upper, "FATAL"):
		return Error
	case strings.Contains(upper, "WARN"):
		return Warn
	case strings.Contains(upper, "DEBUG"):
		return Debug
	}
	return Info
}

// LogResource returns the resource attributes of who wrote a record.
func (w *Workload) LogResource(l *Log) []Attr {
	if l.Source == "" {
		return w.Resource(l.Service)
	}
	return []Attr{
		{"service.name", l.Source},
		{"service.instance.id", fmt.Sprintf("%s-%d", l.Source, l.Host)},
		{"deployment.environment.name", "production"},
		{"host.name", fmt.Sprintf("%s-node-%d", l.Source, l.Host)},
		{"loadtest.run", w.Run()},
	}
}
