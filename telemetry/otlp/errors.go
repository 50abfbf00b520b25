package otlp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrMalformed is wrapped by every error of a decoder: the bytes are not the
// message they should be. The text says which field at which offset.
var ErrMalformed = errors.New("malformed OTLP")

// Problem is something wrong with one record of a request that could be read.
// The record was decoded without the value in question.
type Problem struct {
	Record int    // index in the batch
	Field  string // as in opentelemetry-proto, e.g. trace_id
	Reason string // what was wrong and what would be right
}

// wireError is what a decoder returns. Its path is put together from the
// inside out while the error goes up, so that good requests pay nothing.
type wireError struct {
	path   []string // innermost first
	offset int
	reason string
}

func (e *wireError) Error() string {
	path := slices.Clone(e.path)
	slices.Reverse(path)
	where := strings.Join(path, ".")
	if where == "" {
		where = "request"
	}
	return fmt.Sprintf("%v: %s at byte %d: %s", ErrMalformed, where, e.offset, e.reason)
}

func (e *wireError) Unwrap() error { return ErrMalformed }

// in adds the name of the field in which err came up.
func in(err error, field string) error {
	var w *wireError
	if errors.As(err, &w) {
		w.path = append(w.path, field)
	}
	return err
}

// inField adds the name that names give field num, or its number.
func inField(err error, names []string, num int) error {
	if num > 0 && num < len(names) && names[num] != "" {
		return in(err, names[num])
	}
	if num > 0 {
		return in(err, "field_"+strconv.Itoa(num))
	}
	return err
}

// inElement adds the name of a repeated field and the index in it.
func inElement(err error, field string, i int) error {
	if err == nil {
		return nil
	}
	return in(err, field+"["+strconv.Itoa(i)+"]")
}
