package callsums

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"errors"
	"fmt"
	"io"

	"github.com/clewhq/clew/telemetry"
	"github.com/clewhq/clew/telemetry/calls"
)

// Format is the version of what Encode makes, and of how calls are told.
const Format = 1

// Encode makes bytes of a part: gob, and gzip around it, whose checksum Decode
// looks at.
func (p *Part) Encode() ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if err := errors.Join(gob.NewEncoder(z).Encode(p), z.Close()); err != nil {
		return nil, fmt.Errorf("encode sums of calls: %w", err)
	}
	return out.Bytes(), nil
}

// maxBytes bounds what a part may unpack to.
const maxBytes = 1 << 30

// Decode reads what Encode made.
func Decode(b []byte) (*Part, error) {
	p, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("decode sums of calls: %w", err)
	}
	return p, nil
}

func decode(b []byte) (*Part, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	p := &Part{}
	r := bufio.NewReader(io.LimitReader(z, maxBytes))
	if err := gob.NewDecoder(r).Decode(p); err != nil {
		return nil, err
	}
	// The checksum stands at the end, and is looked at there.
	if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {
		return nil, errors.Join(err, fmt.Errorf("%d bytes behind its end", n))
	}
	return p, p.check()
}

// check makes sure that nothing points out of the part.
func (p *Part) check() error {
	named := func(i, least int32) bool { return i >= least && int(i) < len(p.Names) }
	for i := range p.Minutes {
		m := &p.Minutes[i]
		if i > 0 && m.At <= p.Minutes[i-1].At {
			return errors.New("its minutes are in disorder")
		}
		for _, service := range m.Present {
			if !named(service, 0) {
				return fmt.Errorf("name %d of %d", service, len(p.Names))
			}
		}
		for j := range m.Sums {
			s := &m.Sums[j]
			bad := s.What > oddOf || !named(s.A, 0) || !named(s.B, -1) || !named(s.D, -1) || s.What == oddOf && s.C > int32(calls.PeerUnknown) || s.What != oddOf && !named(s.C, 0)
			if bad || len(s.Bins) != len(s.Counts) || len(s.SampleDuration) != len(s.Failed) || len(s.Traces) != len(s.Failed)*len(telemetry.TraceID{}) {
				return errors.New("a sum that does not fit")
			}
			for _, bin := range s.Bins {
				if int(bin) >= calls.Bins {
					return fmt.Errorf("bin %d of %d", bin, calls.Bins)
				}
			}
		}
	}
	return nil
}
