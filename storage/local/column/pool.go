package column

import "slices"

// Pools are the places of a block's IDs in its table.
type Pools struct {
	wide, narrow []uint32
	// Own is set where the block gave all of them: its pools are what it gave.
	Own bool
}

// ReadPools reads what AppendPools wrote of a block: before is what the blocks
// before it gave the table, given what it gave itself.
func ReadPools(c *Cursor, before, given Given) (p Pools) {
	p.Own = true
	p.wide = c.readPool(before.Wide, given.Wide, &p.Own)
	p.narrow = c.readPool(before.Narrow, given.Narrow, &p.Own)
	return p
}

func (c *Cursor) readPool(before, given int, own *bool) []uint32 {
	n := c.Uvarint()
	if n > uint64(before+given) {
		c.Fail("pool of %d IDs of a table of %d", n, before+given)
		return nil
	}
	codes := c.refs(int(n))
	if c.err != nil {
		return nil
	}
	out := c.mem.uint32s(int(n))
	news, bad := 0, -1
	if codes.wide != nil {
		news, bad = placePool(out, codes.wide, before)
	} else {
		news, bad = placePool(out, codes.small, before)
	}
	switch {
	case bad >= 0:
		c.Fail("reference %d to an ID of a table of which %d were given before the block", codes.at(bad), before)
	case news != given:
		c.Fail("pool has %d of the %d IDs that the block gave", news, given)
	}
	*own = *own && news == len(out)
	return out
}

// placePool sets out to the places in the table that the codes mean, and counts
// those that the block gave; bad is a code that cannot be, -1 for none.
func placePool[R byte | int64](out []uint32, codes []R, before int) (news, bad int) {
	last := int64(0)
	for i, code := range codes {
		if code == 0 {
			out[i] = uint32(before + news)
			news++
			continue
		}
		if last += unzigzag(uint64(code) - 1); last < 0 || last >= int64(before) {
			return news, i
		}
		out[i] = uint32(last)
	}
	return news, -1
}

// Need reports whether a block's IDs are among the pools: given, behind those
// of before.
func (p *Pools) Need(before, given Given) bool {
	within := func(places []uint32, from, n int) bool {
		return slices.ContainsFunc(places, func(at uint32) bool { return int(at) >= from && int(at) < from+n })
	}
	return within(p.wide, before.Wide, given.Wide) || within(p.narrow, before.Narrow, given.Narrow)
}

// Pool is what the columns of a block have their IDs from. They are fetched
// when the first of them is needed.
type Pool struct {
	// Fetch returns the IDs of 16 and of 8 bytes, and where among them those of
	// the pools stand. Where these are the block's own, they are all.
	Fetch        func() (wide, narrow []byte, pools Pools, err error)
	fetched      bool
	wide, narrow []byte
	pools        Pools
	err          error
}

// Err returns why the IDs, which then all are zero, could not be fetched.
func (p *Pool) Err() error { return p.err }

// id returns the bytes of the ID at a place of the pool of IDs of this size,
// nil where there is none.
func (p *Pool) id(at uint32, size int) []byte {
	if !p.fetched {
		p.fetched = true
		p.wide, p.narrow, p.pools, p.err = p.Fetch()
	}
	ids, places := p.wide, p.pools.wide
	if size == narrowLen {
		ids, places = p.narrow, p.pools.narrow
	}
	if !p.pools.Own {
		if int64(at) >= int64(len(places)) {
			return nil
		}
		at = places[at]
	}
	if from := int(at) * size; from < len(ids) {
		return ids[from : from+size]
	}
	return nil
}

// pooled returns an ID of the block's pool by its place plus one, none for 0.
func pooled[T ID](c *Cursor, at uint32) (id T) {
	if at == 0 || c.err != nil {
		return id
	}
	if c.pool == nil {
		c.Fail("IDs in a chunk that has none")
		return id
	}
	if b := c.pool.id(at-1, len(id)); b != nil {
		copy(bytesOf(&id), b)
	} else if c.pool.err == nil {
		c.Fail("ID %d, which the pool does not have", at)
	}
	return id
}
