package agent

import (
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// interrupted is what the exporter says of a request that it could not send
// before the agent stopped. It says that it drops the data, once for each
// request; but a queue on disk still has them.
const interrupted = "interrupted due to shutdown"

const keptMessage = "stopped before everything was sent; a queue on disk sends the rest after the next start"

// plainWords replaces those messages by one that says what happens.
func plainWords() zap.Option {
	var said atomic.Bool
	return zap.WrapCore(func(core zapcore.Core) zapcore.Core { return &plainCore{core, &said} })
}

type plainCore struct {
	zapcore.Core
	said *atomic.Bool
}

// With keeps the wrapper around loggers that carry fields.
func (c *plainCore) With(fields []zapcore.Field) zapcore.Core {
	return &plainCore{c.Core.With(fields), c.said}
}

// Check adds the wrapper, not the core within, to what writes the entry.
func (c *plainCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write replaces an entry where it misleads.
func (c *plainCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	for _, f := range fields {
		err, ok := f.Interface.(error)
		if f.Key != "error" || !ok || !strings.Contains(err.Error(), interrupted) {
			continue
		}
		if c.said.Swap(true) {
			return nil
		}
		e.Level, e.Message = zapcore.WarnLevel, keptMessage
		return c.Core.Write(e, nil)
	}
	return c.Core.Write(e, fields)
}
