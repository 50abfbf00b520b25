package pipeline

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/buger/jsonparser"
	"github.com/clewhq/clew/query/logql/entry"
	"github.com/clewhq/clew/query/logql/syntax"
)

// errJSONParser marks a record whose line is no JSON object.
const errJSONParser = "JSONParserErr"

var errNotObject = errors.New("the line is not a JSON object")

// maxJSONDepth bounds how deep objects are flattened.
const maxJSONDepth = 64

func newJSON(s *syntax.JSON) (stage, error) {
	if len(s.Extract) == 0 {
		return jsonAll{}, nil
	}
	j := &jsonPaths{}
	for _, x := range s.Extract {
		path, err := syntax.ParseJSONPath(x.Path)
		if err != nil {
			return nil, err
		}
		j.labels = append(j.labels, x.Label)
		j.paths = append(j.paths, path)
	}
	return j, nil
}

// jsonAll makes a label of every property, nested ones joined with _. Arrays
// and nulls are left out.
type jsonAll struct{}

func (jsonAll) process(r *Record) bool {
	line := []byte(r.Line)
	if err := flatten(&r.Labels, line, "", 0); err != nil {
		r.Labels.SetError(errJSONParser, err.Error())
	}
	return true
}

func flatten(b *Labels, object []byte, prefix string, depth int) error {
	if !startsObject(object) {
		return errNotObject
	}
	return jsonparser.ObjectEach(object, func(key, value []byte, kind jsonparser.ValueType, _ int) error {
		name := entry.Name(strings.TrimSpace(unescapeKey(key)))
		if name == "" {
			return nil
		}
		if prefix != "" {
			name = prefix + "_" + strings.TrimPrefix(name, digitGuard(name))
		}
		switch kind {
		case jsonparser.String, jsonparser.Number, jsonparser.Boolean:
			b.Extract(name, scalarText(value, kind))
		case jsonparser.Object:
			if depth < maxJSONDepth {
				return flatten(b, value, name, depth+1)
			}
		}
		return nil
	})
}

// digitGuard is the _ in front of a name that begins with a digit; behind a
// prefix it is not needed.
func digitGuard(name string) string {
	if len(name) > 1 && name[0] == '_' && name[1] >= '0' && name[1] <= '9' {
		return "_"
	}
	return ""
}

func startsObject(doc []byte) bool {
	for _, c := range doc {
		switch c {
		case ' ', '\t', '\r', '\n':
		case '{':
			return true
		default:
			return false
		}
	}
	return false
}

func unescapeKey(key []byte) string {
	for _, c := range key {
		if c == '\\' {
			return unescape(key)
		}
	}
	return string(key)
}

func scalarText(value []byte, kind jsonparser.ValueType) string {
	if kind == jsonparser.String {
		return unescape(value)
	}
	return string(value)
}

// unescape returns "" for a string that is not valid text.
func unescape(raw []byte) string {
	out, err := jsonparser.Unescape(raw, make([]byte, 0, 64))
	if err != nil || !utf8.Valid(out) {
		return ""
	}
	return string(out)
}

// jsonPaths makes labels of the values that stand at given paths.
type jsonPaths struct {
	labels []string
	paths  [][]syntax.PathStep
}

func (j *jsonPaths) process(r *Record) bool {
	if r.Line == "" {
		return true
	}
	if !beginsDocument(r.Line) {
		r.Labels.SetError(errJSONParser, errNotObject.Error())
		return true
	}
	line := []byte(r.Line)
	for i, path := range j.paths {
		value, kind := valueAt(line, path)
		text := ""
		switch kind {
		case jsonparser.NotExist, jsonparser.Null, jsonparser.Unknown:
		case jsonparser.String:
			text = unescape(value)
		default:
			text = string(value)
		}
		if text == "" && r.Labels.taken(j.labels[i]) {
			continue
		}
		r.Labels.Extract(j.labels[i], text)
	}
	return true
}

// beginsDocument reports whether the line begins as a JSON document does. What
// is wrong behind the values that are looked for is no error, as in Loki.
func beginsDocument(line string) bool {
	text := strings.TrimLeft(line, " \t\r\n")
	return text != "" && (text[0] == '{' || text[0] == '[' || text[0] == '"')
}

// valueAt walks a path; the kind is NotExist where it leads nowhere.
func valueAt(doc []byte, path []syntax.PathStep) (value []byte, kind jsonparser.ValueType) {
	value, kind, _, err := jsonparser.Get(doc)
	for _, step := range path {
		if err != nil {
			return nil, jsonparser.NotExist
		}
		switch {
		case step.IsIndex && kind == jsonparser.Array:
			value, kind = elementAt(value, step.Index)
		case !step.IsIndex && kind == jsonparser.Object:
			value, kind, _, err = jsonparser.Get(value, step.Key)
		default:
			return nil, jsonparser.NotExist
		}
	}
	if err != nil {
		return nil, jsonparser.NotExist
	}
	return value, kind
}

func elementAt(array []byte, index int) (value []byte, kind jsonparser.ValueType) {
	kind = jsonparser.NotExist
	i := 0
	_, _ = jsonparser.ArrayEach(array, func(v []byte, k jsonparser.ValueType, _ int, _ error) {
		if i == index {
			value, kind = v, k
		}
		i++
	})
	return value, kind
}

// unpack takes apart a line that Promtail's pack stage made: the strings of a
// JSON object become labels, and _entry the line.
type unpack struct{}

func (unpack) process(r *Record) bool {
	if r.Line == "" {
		return true
	}
	line := []byte(r.Line)
	if !startsObject(line) {
		r.Labels.SetError(errJSONParser, errNotObject.Error())
		return true
	}
	found, packed := "", false
	var pairs []string
	err := jsonparser.ObjectEach(line, func(key, value []byte, kind jsonparser.ValueType, _ int) error {
		if kind != jsonparser.String {
			return nil
		}
		name, text := unescapeKey(key), unescape(value)
		if name == "_entry" {
			found, packed = text, true
			return nil
		}
		pairs = append(pairs, name, text)
		return nil
	})
	if err != nil {
		r.Labels.SetError(errJSONParser, err.Error())
		return true
	}
	if packed {
		for i := 0; i < len(pairs); i += 2 {
			if name := entry.Name(pairs[i]); name != "" {
				r.Labels.Extract(name, pairs[i+1])
			}
		}
		r.Line = found
	}
	return true
}
