package admission

import (
	"bytes"

	"github.com/clewhq/clew/telemetry/otlp"
)

// AdmitOnly decodes and admits a request without storing it.
func (g *Gate) AdmitOnly(raw []byte) error {
	b, err := otlp.DecodeLogs(bytes.Clone(raw))
	if err != nil {
		return err
	}
	var out Outcome
	_, _, err = g.admitLogs("anonymous", b, &out)
	return err
}
