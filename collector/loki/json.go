package loki

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clewhq/clew/telemetry"
)

type jsonPush struct {
	Streams []struct {
		Stream map[string]string   `json:"stream"`
		Values [][]json.RawMessage `json:"values"`
	} `json:"streams"`
}

// decodeJSON reads a push in JSON; see decodeProto.
func decodeJSON(b []byte) ([]stream, error) {
	var push jsonPush
	if err := json.Unmarshal(b, &push); err != nil {
		return nil, describeJSON(err)
	}
	out := make([]stream, len(push.Streams))
	for i, in := range push.Streams {
		out[i].labels, out[i].err = checkLabels(pairs(in.Stream))
		for j, v := range in.Values {
			e, err := jsonEntry(v)
			if err != nil {
				return nil, fmt.Errorf("streams[%d].values[%d]: %w", i, j, err)
			}
			out[i].entries = append(out[i].entries, e)
		}
	}
	return out, nil
}

// describeJSON adds the offset to an error of the JSON decoder.
func describeJSON(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("at byte %d: %w", syntax.Offset, err)
	}
	return err
}

// pairs returns m as attributes, sorted by name.
func pairs(m map[string]string) telemetry.Attrs {
	out := make(telemetry.Attrs, 0, len(m))
	for k, v := range m {
		out = append(out, telemetry.Attr{Key: k, Value: telemetry.String(v)})
	}
	slices.SortFunc(out, func(a, b telemetry.Attr) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// jsonEntry reads ["<unix nanoseconds>", "<line>", {"name": "value"}].
func jsonEntry(v []json.RawMessage) (entry, error) {
	if len(v) != 2 && len(v) != 3 {
		return entry{}, fmt.Errorf("%d elements, want a time, a line and perhaps structured metadata", len(v))
	}
	var e entry
	var err error
	digits := string(bytes.Trim(v[0], `"`))
	if e.time, err = strconv.ParseInt(digits, 10, 64); err != nil || e.time < 0 {
		return entry{}, fmt.Errorf("time %s, want Unix nanoseconds as a string of digits", clip(string(v[0])))
	}
	if err := json.Unmarshal(v[1], &e.line); err != nil {
		return entry{}, fmt.Errorf("line: %w", err)
	}
	if len(v) == 3 {
		var metadata map[string]string
		if err := json.Unmarshal(v[2], &metadata); err != nil {
			return entry{}, fmt.Errorf("structured metadata, want an object of strings: %w", err)
		}
		e.metadata = pairs(metadata)
	}
	return e, nil
}
