package wal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
)

// ErrClosed refuses an append to a log that is closed.
var ErrClosed = errors.New("the write-ahead log is closed")

// Options configure a Writer.
type Options struct {
	FS  vfs.FS
	Dir string
	// FileBytes is when a new file is begun.
	FileBytes int64
	// GroupBytes bounds what is written with one call.
	GroupBytes int64
	// Now is the clock for Synced and for salts.
	Now func() time.Time
	// Synced, if set, is told of every group: how many records and bytes, and
	// how long write and sync took.
	Synced func(records int, bytes int64, took time.Duration)
	// Begun, if set, is told of every file that was begun, before anything in
	// it is acknowledged. It may keep the number: a log that ends before that
	// file has lost it.
	Begun func(seq uint64)
}

// Writer appends to the log.
type Writer struct {
	opts  Options
	queue chan request
	stop  chan struct{}
	ended chan struct{}
	once  sync.Once

	// What follows belongs to the committer.
	file   vfs.File
	header framing.Header
	offset int64  // end of the file
	acked  int64  // end of what is acknowledged in it
	marked int64  // end of the mark that is last in it
	next   uint64 // number of the next file
	whole  bool   // the file was whole when it was closed
	buf    []byte
	// first is what the next file begins with; nil for nothing. idle is set
	// until a file is begun: then the log ends as it was found.
	first func() []Record
	idle  bool
}

type request struct {
	rec Record
	// done is called by the committer. pos is where the record ends.
	done func(pos Position, err error)
	// rotate begins a new file instead of appending a record.
	rotate func() []Record
}

// queueLength bounds the requests that wait for the committer. Callers beyond
// it wait in Append.
const queueLength = 256

// NewWriter returns a writer whose first file follows the position where
// replay ended: it is numbered next, and its header says that the file before
// it counts up to prevLength. The file starts with the records first; whole is
// false where a full disk kept them from being written.
func NewWriter(opts Options, next uint64, prevLength uint64, first []Record) (_ *Writer, whole bool, err error) {
	w := newWriter(opts, next, prevLength)
	if err = w.open(prevLength); err == nil {
		err = w.writeFirst(first)
	}
	if err != nil && !vfs.IsNoSpaceError(err) {
		return nil, false, err
	}
	go w.run()
	return w, err == nil, nil
}

// NewIdleWriter is NewWriter where the first file is begun with the first
// append, so that a start alone leaves nothing: for a log that ends whole.
func NewIdleWriter(opts Options, next uint64, prevLength uint64, first func() []Record) *Writer {
	w := newWriter(opts, next, prevLength)
	w.first, w.idle = first, true
	go w.run()
	return w
}

func newWriter(opts Options, next uint64, prevLength uint64) *Writer {
	return &Writer{
		opts: opts, next: next,
		queue: make(chan request, queueLength),
		stop:  make(chan struct{}),
		ended: make(chan struct{}),
		// acked is also what the next file says of the one before it. Where the
		// disk is full the file is begun with the first append that finds room.
		acked: int64(prevLength),
	}
}

// Append queues a record. done is called once with the outcome unless Append
// returns an error, in which case nothing was or will be written.
func (w *Writer) Append(ctx context.Context, rec Record, done func(pos Position, err error)) error {
	if len(rec.Tenant) > maxTenant {
		return fmt.Errorf("append to the write-ahead log: tenant name of %d bytes, at most %d", len(rec.Tenant), maxTenant)
	}
	if rec.size() > framing.MaxPayload {
		return fmt.Errorf("append to the write-ahead log: request of %d bytes, at most %d", len(rec.Data), framing.MaxPayload)
	}
	return w.submit(ctx, request{rec: rec, done: done})
}

// Rotate begins a new file that starts with the records that first returns.
// done gets the start of the new file; everything appended before Rotate
// stands before it, and its callbacks have run.
func (w *Writer) Rotate(ctx context.Context, first func() []Record, done func(pos Position, err error)) error {
	return w.submit(ctx, request{rotate: first, done: done})
}

func (w *Writer) submit(ctx context.Context, r request) error {
	select {
	case <-w.stop:
		return ErrClosed
	default:
	}
	select {
	case w.queue <- r:
		return nil
	case <-w.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes what is queued and stops. Nothing may be appended while it runs
// or afterwards: callers make sure of that.
func (w *Writer) Close() error {
	w.once.Do(func() { close(w.stop) })
	<-w.ended
	if w.file == nil {
		w.whole = w.idle
		return nil
	}
	err := w.file.Close()
	w.file, w.whole = nil, err == nil
	return err
}

// Whole reports, of a closed log, whether its newest file ends with what was
// acknowledged, and not with a write that failed.
func (w *Writer) Whole() bool { return w.whole }

func (w *Writer) run() {
	defer close(w.ended)
	for {
		select {
		case r := <-w.queue:
			w.handle(r)
			w.mark()
		case <-w.stop:
			for {
				select {
				case r := <-w.queue:
					w.handle(r)
				default:
					w.mark()
					return
				}
			}
		}
	}
}

// handle takes r and all that waits behind it, as one group.
func (w *Writer) handle(r request) {
	var group []request
	var bytes int64
	for more := true; more; {
		if r.rotate != nil {
			w.commit(group, bytes)
			w.rotate(r)
			return
		}
		group = append(group, r)
		if bytes += r.rec.size(); bytes >= w.opts.GroupBytes {
			break
		}
		select {
		case r = <-w.queue:
		default:
			more = false
		}
	}
	w.commit(group, bytes)
}

func (w *Writer) rotate(r request) {
	err := w.begin()
	if err == nil {
		err = w.writeFirst(r.rotate())
	}
	r.done(Position{Seq: w.header.Seq, Offset: framing.HeaderSize}, err)
}

func (w *Writer) writeFirst(recs []Record) error {
	w.buf = w.buf[:0]
	for i := range recs {
		w.encode(&recs[i])
	}
	if len(w.buf) == 0 {
		return nil
	}
	return w.flush()
}

// commit writes and syncs a group and tells its callers.
func (w *Writer) commit(group []request, bytes int64) {
	if len(group) == 0 {
		return
	}
	start := w.opts.Now()
	err := w.ready(bytes)
	ends := make([]int64, len(group))
	if err == nil {
		w.buf = w.buf[:0]
		w.encodeFirst()
		for i := range group {
			w.encode(&group[i].rec)
			ends[i] = w.offset + int64(len(w.buf))
		}
		err = w.flush()
	}
	if err == nil && w.opts.Synced != nil {
		w.opts.Synced(len(group), bytes, w.opts.Now().Sub(start))
	}
	for i, r := range group {
		r.done(Position{Seq: w.header.Seq, Offset: ends[i]}, err)
	}
}

// ready makes sure that there is a file with room.
func (w *Writer) ready(bytes int64) error {
	if w.file != nil && w.offset > framing.HeaderSize && w.offset+bytes > w.opts.FileBytes {
		return w.begin()
	}
	if w.file == nil {
		return w.open(uint64(w.acked))
	}
	return nil
}

// encodeFirst has the buffer begin with what the first file begins with.
func (w *Writer) encodeFirst() {
	if w.first == nil || w.offset != framing.HeaderSize {
		return
	}
	recs := w.first()
	for i := range recs {
		w.encode(&recs[i])
	}
}

// mark says behind the last group that it was synced, where no other group
// follows that says so by being there: without it, damage in the last record
// would look like a write that was cut short, which is nothing to worry about.
// The mark itself is not waited for, and not a part of what is acknowledged.
func (w *Writer) mark() {
	if len(w.queue) > 0 || w.file == nil || w.marked == w.offset || w.offset == framing.HeaderSize {
		return
	}
	w.buf = w.buf[:0]
	w.encode(&Record{Type: synced, Received: w.opts.Now().UnixNano()})
	if n, err := w.file.Write(w.buf); err != nil || n != len(w.buf) {
		w.giveUp()
		return
	}
	w.offset += int64(len(w.buf))
	w.marked = w.offset
}

// encode appends rec to the buffer that goes to the end of the file.
func (w *Writer) encode(rec *Record) {
	var head [prefixSize + maxTenant]byte
	at := w.offset + int64(len(w.buf))
	w.buf = framing.AppendRecord(w.buf, w.header.Salt, at, rec.prefix(head[:0]), rec.Data)
}

// maxKeptBuffer is how big a buffer is kept for the next group.
const maxKeptBuffer = 8 << 20

// flush writes and syncs the buffer. After an error the file is given up.
func (w *Writer) flush() error {
	n, err := w.file.Write(w.buf)
	if err == nil && n != len(w.buf) {
		err = fmt.Errorf("wrote %d of %d bytes", n, len(w.buf))
	}
	if err == nil {
		err = w.file.SyncData()
	}
	if err != nil {
		w.giveUp()
		return fmt.Errorf("write ahead to %s: %w", FileName(w.header.Seq), err)
	}
	w.offset += int64(n)
	w.acked = w.offset
	w.first = nil
	if cap(w.buf) > maxKeptBuffer {
		w.buf = nil
	}
	return nil
}

// giveUp drops the file without syncing it again: after a failed sync the
// system may have forgotten what it could not write. The error of Close says
// nothing new.
func (w *Writer) giveUp() {
	_ = w.file.Close()
	w.file = nil
}

// begin ends the current file and opens the next one.
func (w *Writer) begin() error {
	if w.file != nil {
		w.giveUp() // all that was acknowledged is synced
	}
	return w.open(uint64(w.acked))
}

// open makes the next file, whose header says how much of the one before it
// counts, and syncs it and its place in the directory.
func (w *Writer) open(prevLength uint64) (err error) {
	w.idle = false
	h := framing.Header{Magic: Magic, Seq: w.next, Salt: uint64(w.opts.Now().UnixNano()), PrevLength: prevLength}
	name := w.opts.FS.PathJoin(w.opts.Dir, FileName(h.Seq))
	file, err := w.opts.FS.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("begin write-ahead file %s: %w", FileName(h.Seq), err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = w.opts.FS.Remove(name)
			err = fmt.Errorf("begin write-ahead file %s: %w", FileName(h.Seq), err)
		}
	}()
	if _, err = file.Write(h.Append(nil)); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = SyncDir(w.opts.FS, w.opts.Dir); err != nil {
		return err
	}
	w.file, w.header, w.offset, w.next = file, h, framing.HeaderSize, h.Seq+1
	w.acked, w.marked = w.offset, 0
	if w.opts.Begun != nil {
		w.opts.Begun(h.Seq)
	}
	return nil
}

// SyncDir makes the entries of a directory durable.
func SyncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", dir, err)
	}
	if err = d.Sync(); err != nil {
		_ = d.Close()
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return d.Close()
}

// SyncFile makes durable what another process may have written and not synced.
func SyncFile(fs vfs.FS, path string) error {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return f.Close()
}
