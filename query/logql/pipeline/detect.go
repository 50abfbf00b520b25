package pipeline

import (
	"strings"

	"github.com/buger/jsonparser"
	"github.com/clewhq/clew/query/logql/entry"
)

// Field is a field that stands in a line; Path leads to it in a JSON document.
type Field struct {
	Name, Value string
	Path        []string
}

// Detect tells which parser a line is for, json or logfmt, and the fields that
// parser finds in it; "" and none for a line of plain text.
func Detect(line string) (parser string, fields []Field) {
	if startsObject([]byte(line)) {
		fields, ok := detectJSON([]byte(line), "", nil, 0)
		if ok {
			return "json", fields
		}
		return "", nil
	}
	if strings.IndexByte(line, '=') < 0 {
		return "", nil
	}
	_ = scanLogfmt(line, false, func(key, value string) {
		if name := entry.Name(key); name != "" && value != "" {
			fields = append(fields, Field{Name: name, Value: value})
		}
	})
	if len(fields) == 0 {
		return "", nil
	}
	return "logfmt", fields
}

func detectJSON(object []byte, prefix string, path []string, depth int) (out []Field, ok bool) {
	err := jsonparser.ObjectEach(object, func(key, value []byte, kind jsonparser.ValueType, _ int) error {
		raw := unescapeKey(key)
		name := entry.Name(strings.TrimSpace(raw))
		if name == "" {
			return nil
		}
		if prefix != "" {
			name = prefix + "_" + strings.TrimPrefix(name, digitGuard(name))
		}
		at := append(append([]string{}, path...), raw)
		switch kind {
		case jsonparser.String, jsonparser.Number, jsonparser.Boolean:
			if text := scalarText(value, kind); text != "" {
				out = append(out, Field{Name: name, Value: text, Path: at})
			}
		case jsonparser.Object:
			if depth < maxJSONDepth {
				inner, _ := detectJSON(value, name, at, depth+1)
				out = append(out, inner...)
			}
		}
		return nil
	})
	return out, err == nil
}
