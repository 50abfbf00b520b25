package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// All returns every dashboard by the name of its file, without .json.
func All() map[string]*Dashboard {
	return map[string]*Dashboard{"overview": Overview(), "hosts": Hosts(), "coverage": Coverage(), "health": Health()}
}

// JSON renders a dashboard as it is committed.
func (d *Dashboard) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // queries with < and > are to be read by people
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("render dashboard %s: %w", d.UID, err)
	}
	return b.Bytes(), nil
}
