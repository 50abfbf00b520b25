package otlp

import (
	"math"

	"github.com/clewhq/clew/telemetry"
)

// Places appends where the records of raw stand: a request that was decoded
// before, and its records in the order in which they then came. A Picker
// decodes single ones.
func Places(dst []uint32, raw []byte) []uint32 {
	_ = eachMessage(reader{buf: raw, end: len(raw)}, 1, func(resource reader) error {
		return eachMessage(resource, 2, func(scope reader) error {
			for scope.more() {
				num, wire, err := scope.field()
				if err != nil {
					return err
				}
				if num == 2 && wire == wireLen {
					dst = append(dst, uint32(scope.pos))
				}
				if err := scope.skip(wire); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return dst
}

// Picker decodes single records of requests that were decoded before, whole.
// Records that one Picker decodes share memory: who keeps one keeps others.
type Picker struct{ d decoder }

// Reset takes the memory of all records back that were decoded: none of them may
// be looked at any more.
func (p *Picker) Reset() { p.d.resetLists() }

// Log decodes the log record at a place of raw into l, which must be zero.
func (p *Picker) Log(l *telemetry.Log, raw []byte, place uint32, s *telemetry.Stream) error {
	r, err := p.at(raw, place)
	if err != nil {
		return err
	}
	l.Stream = s
	return p.ended(p.d.log(r, l, 0))
}

// Span decodes the span at a place of raw into s, which must be zero.
func (p *Picker) Span(s *telemetry.Span, raw []byte, place uint32, stream *telemetry.Stream) error {
	r, err := p.at(raw, place)
	if err != nil {
		return err
	}
	s.Stream = stream
	return p.ended(p.d.span(r, s, 0))
}

func (p *Picker) at(raw []byte, place uint32) (reader, error) {
	// The request as a whole was within its budget.
	p.d.budget, p.d.problems = math.MaxInt, p.d.problems[:0]
	r := reader{buf: raw, pos: int(place), end: len(raw)}
	return r.message(wireLen)
}

// ended forgets what an error left half done.
func (p *Picker) ended(err error) error {
	if err != nil {
		p.d = decoder{}
	}
	return err
}
