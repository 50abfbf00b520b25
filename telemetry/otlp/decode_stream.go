package otlp

import "github.com/clewhq/clew/telemetry"

var (
	resourceFields = []string{1: "attributes", 2: "dropped_attributes_count"}
	scopeFields    = []string{1: "name", 2: "version", 3: "attributes", 4: "dropped_attributes_count"}
)

// head is what a message that holds records, or scopes with records, has beside
// those in field 2.
type head struct {
	first string // what field 1 is called
	inner string // what field 2 is called
}

// gather appends the fields of r beside those in field 2, as they came. So much
// tells one resource or scope from another, and is all there is to decode of it.
func (h head) gather(dst []byte, r reader) ([]byte, error) {
	for r.more() {
		start := r.pos
		num, wire, err := r.field()
		if err != nil {
			return nil, err
		}
		if num == 2 {
			_, err = r.message(wire)
		} else if err = r.skip(wire); err == nil {
			dst = append(dst, r.buf[start:r.pos]...)
		}
		if err != nil {
			return nil, h.in(err, num)
		}
	}
	return dst, nil
}

// each calls first for every field 1 of r, and returns the schema's URL.
func (h head) each(r reader, first func(reader) error) (schemaURL string, err error) {
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return "", err
		}
		switch num {
		case 1:
			var sub reader
			if sub, err = r.message(wire); err == nil {
				err = first(sub)
			}
		case 3:
			schemaURL, err = r.text(wire)
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return "", h.in(err, num)
		}
	}
	return schemaURL, nil
}

func (h head) in(err error, num int) error {
	return inField(err, []string{1: h.first, 2: h.inner, 3: "schema_url"}, num)
}

// resourceHead reads what a ResourceLogs or ResourceSpans holds beside its
// scopes.
func (d *decoder) resourceHead(r reader, h head, res *telemetry.Resource) (err error) {
	res.SchemaURL, err = h.each(r, func(sub reader) error { return d.resourceFields(sub, res) })
	return err
}

// scopeHead is resourceHead for a ScopeLogs or ScopeSpans.
func (d *decoder) scopeHead(r reader, h head, scope *telemetry.Scope) (err error) {
	scope.SchemaURL, err = h.each(r, func(sub reader) error { return d.scopeFields(sub, scope) })
	return err
}

// resourceFields adds the fields of r to res: a message field that comes twice
// is merged, as protobuf wants it.
func (d *decoder) resourceFields(r reader, res *telemetry.Resource) error {
	mark := d.attrs.mark()
	for r.more() {
		num, wire, err := r.field()
		if err == nil {
			switch num {
			case 1:
				err = d.attr(&r, wire, 0)
			case 2:
				res.Dropped, err = r.uint32(wire)
			default:
				err = r.skip(wire)
			}
		}
		if err != nil {
			return inField(err, resourceFields, num)
		}
	}
	res.Attrs = joined(res.Attrs, d.attrs.take(mark))
	return nil
}

// scopeFields: see resourceFields.
func (d *decoder) scopeFields(r reader, scope *telemetry.Scope) error {
	mark := d.attrs.mark()
	for r.more() {
		num, wire, err := r.field()
		if err == nil {
			switch num {
			case 1:
				scope.Name, err = r.text(wire)
			case 2:
				scope.Version, err = r.text(wire)
			case 3:
				err = d.attr(&r, wire, 0)
			case 4:
				scope.Dropped, err = r.uint32(wire)
			default:
				err = r.skip(wire)
			}
		}
		if err != nil {
			return inField(err, scopeFields, num)
		}
	}
	scope.Attrs = joined(scope.Attrs, d.attrs.take(mark))
	return nil
}

func joined(a, b telemetry.Attrs) telemetry.Attrs {
	if len(a) == 0 {
		return b
	}
	return append(a, b...)
}
