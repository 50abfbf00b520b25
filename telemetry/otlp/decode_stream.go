package otlp

import "github.com/clewhq/clew/telemetry"

var (
	resourceFields = []string{1: "attributes", 2: "dropped_attributes_count"}
	scopeFields    = []string{1: "name", 2: "version", 3: "attributes", 4: "dropped_attributes_count"}
)

// resourceHead reads what a ResourceLogs or ResourceSpans holds beside its
// scopes, and checks that these have the right wire type.
func (d *decoder) resourceHead(r reader, p path, res *telemetry.Resource) error {
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		switch num {
		case 1:
			var sub reader
			if sub, err = r.message(wire); err == nil {
				err = d.resource(sub, res)
			}
		case 2:
			_, err = r.message(wire)
		case 3:
			res.SchemaURL, err = r.text(wire)
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return inField(err, []string{1: "resource", 2: p.scope, 3: "schema_url"}, num)
		}
	}
	return nil
}

// scopeHead is resourceHead for a ScopeLogs or ScopeSpans.
func (d *decoder) scopeHead(r reader, p path, scope *telemetry.Scope) error {
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		switch num {
		case 1:
			var sub reader
			if sub, err = r.message(wire); err == nil {
				err = d.scope(sub, scope)
			}
		case 2:
			_, err = r.message(wire)
		case 3:
			scope.SchemaURL, err = r.text(wire)
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return inField(err, []string{1: "scope", 2: p.record, 3: "schema_url"}, num)
		}
	}
	return nil
}

// resource adds the fields of r to res: a message field that comes twice is
// merged, as protobuf wants it.
func (d *decoder) resource(r reader, res *telemetry.Resource) error {
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

func (d *decoder) scope(r reader, scope *telemetry.Scope) error {
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
