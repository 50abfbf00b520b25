package otlp

// CheckMetrics says what is wrong with the bytes of an
// ExportMetricsServiceRequest, and in which field at which offset; nil where
// they are one. Other libraries read metrics and only say that they cannot.
func CheckMetrics(raw []byte) error {
	return checkMessage(reader{buf: raw, end: len(raw)}, jsonSchema.metrics, 0)
}

// checkMessage walks over the fields of a message and of those in it.
func checkMessage(r reader, m *jsonMessage, depth int) error {
	if depth > 2*maxDepth {
		return r.fail(r.pos, "messages are nested more than %d deep", 2*maxDepth)
	}
	seen := map[int]int{}
	for r.more() {
		num, wire, err := r.field()
		if err != nil {
			return err
		}
		f := m.numbered(num)
		if f == nil {
			if err := r.skip(wire); err != nil {
				return inField(err, nil, num)
			}
			continue
		}
		err = f.check(&r, wire, depth)
		if f.repeated && !f.packed {
			err = inElement(err, snake(f.name), seen[num])
			seen[num]++
		} else if err != nil {
			err = in(err, snake(f.name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check reads one occurrence of the field.
func (f *jsonField) check(r *reader, wire, depth int) error {
	want := f.kind.wire()
	switch {
	case f.kind == jsonSub:
		sub, err := r.message(wire)
		if err != nil {
			return err
		}
		return checkMessage(sub, f.message, depth+1)
	case wire != want && (!f.packed || wire != wireLen):
		return r.fail(r.pos, "wire type %d, want %d", wire, want)
	}
	return r.skip(wire)
}

// numbered returns the field of a number, nil where there is none.
func (m *jsonMessage) numbered(num int) *jsonField {
	for _, f := range m.fields {
		if f.num == num {
			return f
		}
	}
	return nil
}
