package manifest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
	"github.com/clewhq/clew/storage/local/wal"
)

// Magic starts every file.
var Magic = [4]byte{'C', 'M', 'A', 'N'}

const (
	filePrefix = "MANIFEST-"
	tempSuffix = ".tmp"
)

// FileName is the name of the manifest with this number.
func FileName(seq uint64) string { return fmt.Sprintf("%s%016d", filePrefix, seq) }

// Damage is a part of a manifest that cannot be read.
type Damage struct {
	File   string
	Offset int64
	Err    error
}

// Error implements error.
func (d *Damage) Error() string {
	return fmt.Sprintf("manifest %s, offset %d: %v", d.File, d.Offset, d.Err)
}

// Unwrap returns the cause.
func (d *Damage) Unwrap() error { return d.Err }

func unreadable(err error) error { return fmt.Errorf("%w: %w", wal.ErrUnreadable, err) }

// Options configure a Manifest.
type Options struct {
	FS  vfs.FS
	Dir string
	Now func() time.Time
	// FileBytes is how long a file grows beyond the snapshot it began with.
	FileBytes int64
}

// Manifest is the open manifest of a store. It is safe for concurrent use.
type Manifest struct {
	opts Options

	mu     sync.Mutex
	state  State
	file   vfs.File // nil: begin a new one
	salt   uint64
	next   uint64 // number of the next file
	offset int64
	base   int64 // length of the snapshot
}

// Found is what stands in a directory.
type Found struct {
	State
	// Damages is everything that could not be read; the state is what the rest
	// says.
	Damages []*Damage
	// Torn is the end of the newest file where that is no whole edit, as a
	// power cut leaves it; nil where it is.
	Torn *Torn
	next uint64 // number of the next file
}

// Torn is the end of a file that is no whole edit.
type Torn struct {
	File          string
	Offset, Bytes int64
}

// Load reads what is in dir.
func Load(fs vfs.FS, dir string) (Found, error) {
	seqs, err := files(fs, dir)
	if err != nil {
		return Found{}, err
	}
	f := Found{State: newState(), next: 1}
	if n := len(seqs); n > 0 {
		f.next = seqs[n-1] + 1
	}
	// The newest file counts. Older ones are left over from a crash while they
	// were being removed, and are better than nothing where it is damaged.
	for _, seq := range slices.Backward(seqs) {
		before := len(f.Damages)
		ok := f.loadFile(fs, dir, seq)
		for _, d := range f.Damages[before:] {
			if errors.Is(d, framing.ErrVersion) {
				return Found{}, d // to go on without it would lose what it names
			}
		}
		if ok {
			return f, nil
		}
	}
	f.State = newState()
	return f, nil
}

// loadFile reports false where the file has no readable snapshot.
func (found *Found) loadFile(fs vfs.FS, dir string, seq uint64) bool {
	name := FileName(seq)
	fail := func(offset int64, err error) bool {
		found.Damages = append(found.Damages, &Damage{File: name, Offset: offset, Err: err})
		return false
	}
	f, err := fs.Open(fs.PathJoin(dir, name))
	if err != nil {
		return fail(0, unreadable(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fail(0, unreadable(err))
	}
	var head [framing.HeaderSize]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fail(0, unreadable(err))
	}
	h, err := framing.ParseHeader(head[:n], Magic)
	if err != nil {
		return fail(0, err)
	}
	rd := framing.NewReader(f, h.Salt, framing.HeaderSize, info.Size(), framing.UnknownLength)
	s, ok, damages := readEdits(rd, name)
	found.State, found.Damages = s, append(found.Damages, damages...)
	if n := rd.Torn(); n > 0 && found.Torn == nil {
		found.Torn = &Torn{File: name, Offset: rd.Offset(), Bytes: n}
	}
	if !ok && len(damages) == 0 {
		return fail(framing.HeaderSize, errors.New("no snapshot"))
	}
	return ok
}

func readEdits(rd *framing.Reader, name string) (s State, ok bool, damages []*Damage) {
	s = newState()
	for {
		payload, at, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return s, ok, damages
		}
		var skipped *framing.DamageError
		if err != nil && !errors.As(err, &skipped) {
			return s, ok, append(damages, &Damage{File: name, Offset: at, Err: unreadable(err)})
		}
		var kind byte
		var e Edit
		var nextID uint64
		if err == nil {
			kind, e, nextID, err = parseEdit(payload)
		}
		if err != nil {
			damages = append(damages, &Damage{File: name, Offset: at, Err: err})
			continue
		}
		switch kind {
		case kindSynced:
			continue
		case kindSnapshot:
			s, ok = newState(), true
		}
		s.apply(&e)
		s.NextID = max(s.NextID, nextID)
	}
}

// Open loads the state. The process that wrote it may have been killed before
// it synced, so Open syncs what it read: from here on it is acted upon.
func Open(opts Options) (*Manifest, []*Damage, error) {
	if err := syncAll(opts.FS, opts.Dir); err != nil {
		return nil, nil, err
	}
	f, err := Load(opts.FS, opts.Dir)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range f.Damages {
		if errors.Is(d, wal.ErrUnreadable) {
			// It may be whole: to go on with less would make the loss good.
			return nil, f.Damages, fmt.Errorf("read the manifest: %w", d)
		}
	}
	m := &Manifest{opts: opts, state: f.State, next: f.next}
	if len(f.Damages) == 0 {
		_ = m.removeBefore(f.next - 1) // a crash may have come before that
	}
	return m, f.Damages, nil
}

func syncAll(fs vfs.FS, dir string) error {
	seqs, err := files(fs, dir)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		if err := wal.SyncFile(fs, fs.PathJoin(dir, FileName(seq))); err != nil {
			return err
		}
	}
	return wal.SyncDir(fs, dir)
}

// State returns a copy of what holds.
func (m *Manifest) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.clone()
}

// Deletions returns a copy of the deletions that are known.
func (m *Manifest) Deletions() map[uint64]Deletion {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.state.Deletions)
}

// Doomed returns a copy of the keys of objects that are to be deleted.
func (m *Manifest) Doomed() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.state.Doomed)
}

// NewID returns an ID for a segment to be written, or a deletion.
func (m *Manifest) NewID() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.state.NextID
	m.state.NextID++
	return id
}

// Apply makes an edit durable. On an error it is not, and the manifest as it
// was still holds.
func (m *Manifest) Apply(e Edit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.apply(e)
}

// ApplyAnew is Apply into a new file. What held before and does not any more
// is in no file then.
func (m *Manifest) ApplyAnew(e Edit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file != nil {
		m.giveUp()
	}
	return m.apply(e)
}

func (m *Manifest) apply(e Edit) error {
	old := m.state
	if m.file != nil && m.offset > 2*m.base+m.opts.FileBytes {
		m.giveUp()
	}
	if m.file != nil {
		if err := m.append(&e); err != nil {
			return err
		}
		m.state.apply(&e)
		return nil
	}
	m.state = old.clone()
	m.state.apply(&e)
	if err := m.begin(); err != nil {
		next := m.state.NextID
		m.state = old
		m.state.NextID = next
		return err
	}
	return nil
}

func (m *Manifest) append(e *Edit) error {
	payload := appendEdit(nil, kindChange, e, m.state.NextID)
	b := framing.AppendRecord(nil, m.salt, m.offset, payload)
	n, err := m.file.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = m.file.Sync()
	}
	if err != nil {
		// The edit may have reached the disk. The next one begins a file that
		// does not have it.
		m.giveUp()
		return fmt.Errorf("append to manifest: %w", err)
	}
	m.offset += int64(n)
	m.mark()
	return nil
}

// mark says behind an edit that it was synced: without it, damage in the newest
// one would look like a write that was cut short, and what it said be lost
// without a word. The mark is not waited for.
func (m *Manifest) mark() {
	b := framing.AppendRecord(nil, m.salt, m.offset, []byte{kindSynced, version})
	if n, err := m.file.Write(b); err != nil || n < len(b) {
		m.giveUp()
		return
	}
	m.offset += int64(len(b))
}

func (m *Manifest) giveUp() {
	_ = m.file.Close()
	m.file = nil
}

// begin writes a file with the whole state and puts it in place.
func (m *Manifest) begin() (err error) {
	fs := m.opts.FS
	final := fs.PathJoin(m.opts.Dir, FileName(m.next))
	temp := final + tempSuffix
	h := framing.Header{Magic: Magic, Seq: m.next, Salt: uint64(m.opts.Now().UnixNano()), PrevLength: framing.UnknownLength}
	snapshot := m.state.snapshot()
	b := framing.AppendRecord(h.Append(nil), h.Salt, framing.HeaderSize, appendEdit(nil, kindSnapshot, &snapshot, m.state.NextID))
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("begin manifest: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = fs.Remove(temp)
			err = fmt.Errorf("begin manifest: %w", err)
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	// From here on the number may be taken, whatever the outcome.
	old := m.next
	m.next++
	if err = fs.Rename(temp, final); err != nil {
		return err
	}
	if err = wal.SyncDir(fs, m.opts.Dir); err != nil {
		return err
	}
	m.file, m.salt, m.offset, m.base = f, h.Salt, int64(len(b)), int64(len(b))
	m.mark()
	_ = m.removeBefore(old) // see Prune
	return nil
}

// Prune removes the files that newer ones replace. That is done anyway, and
// what stays because it fails does no harm: the newest file counts. This says
// whether any is left.
func (m *Manifest) Prune() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.removeBefore(m.next - 1)
}

func (m *Manifest) removeBefore(seq uint64) error {
	names, err := m.opts.FS.List(m.opts.Dir)
	if err != nil {
		return fmt.Errorf("list manifests: %w", err)
	}
	var errs []error
	for _, n := range names {
		s, ok := parseFileName(strings.TrimSuffix(n, tempSuffix))
		if ok && s < seq {
			errs = append(errs, m.opts.FS.Remove(m.opts.FS.PathJoin(m.opts.Dir, n)))
		}
	}
	return errors.Join(errs...)
}

// Whole reports whether the newest file ends with an edit that holds, and not
// with one that failed.
func (m *Manifest) Whole() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.file != nil
}

// Close closes the file.
func (m *Manifest) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return nil
	}
	err := m.file.Close()
	m.file = nil
	return err
}

func parseFileName(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, filePrefix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil
}

func files(fs vfs.FS, dir string) ([]uint64, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	var seqs []uint64
	for _, n := range names {
		if seq, ok := parseFileName(n); ok {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs, nil
}
