package segment

import (
	"fmt"

	"github.com/clewhq/clew/storage/local/column"
)

// tableBytes ends a table of IDs. Whoever looks an ID up may have to read one
// whole.
const tableBytes = 512 << 10

// tableWriter writes the tables of IDs and the block index. The IDs that the
// blocks of a table give stand together, behind the last of them: so a table is
// read at once.
type tableWriter struct {
	table *column.Table
	open  []block // the blocks of the table at hand
	ids   []byte  // that these give
	index []byte  // of the blocks before
}

// end ends the block b, whose columns' IDs are in the table.
func (w *tableWriter) endBlock(out *output, b block, alone bool) error {
	c, err := out.chunk(chunkPool, w.table.AppendPools(nil))
	if err != nil {
		return err
	}
	b.chunks = append(b.chunks, c)
	start := len(w.ids)
	ids, wide := w.table.AppendGiven(w.ids)
	given, ok := column.GivenIn(int64(len(ids)-start), wide)
	if !ok {
		return fmt.Errorf("write segment %s: %d bytes of IDs, %d of them long", out.path, len(ids)-start, wide)
	}
	b.given = given
	w.hold(b, ids)
	if alone || w.table.Size() >= tableBytes {
		w.endTable(out)
		w.table.Reset()
	}
	return nil
}

// hold takes a block of the table at hand; ids are those of the table so far
// and the block's.
func (w *tableWriter) hold(b block, ids []byte) {
	b.back = len(w.open)
	w.open, w.ids = append(w.open, b), ids
}

// endTable writes the IDs of the table at hand and the entries of its blocks.
func (w *tableWriter) endTable(out *output) {
	from := 0
	for i := range w.open {
		b := &w.open[i]
		if n := b.given.Bytes(); n > 0 {
			p := out.section(w.ids[from : from+n])
			b.chunks = append(b.chunks, chunk{place: p, id: chunkGiven, raw: p.length})
			from += n
		}
		w.index = b.append(w.index)
	}
	w.open, w.ids = w.open[:0], w.ids[:0]
}
