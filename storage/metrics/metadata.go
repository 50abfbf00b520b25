package metrics

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/metadata"
)

// The metadata of a tenant's metric families is a log beside the TSDB:
//
//	file   = magic version record*
//	magic  = "CLEWMETA"
//	version= 1 byte, 1
//	record = length (uvarint, of the payload) crc (4 bytes, little endian,
//	         CRC-32C of the payload) payload
//	payload= family type unit help, each a uvarint length and its bytes
//
// The last record of a family counts. A torn tail, which only a crash leaves,
// is cut when the file is opened. When the log holds many more records than
// families it is written anew and put in place atomically.
const (
	metadataFile    = "metadata.log"
	metadataMagic   = "CLEWMETA"
	metadataVersion = 1
	// maxMetadataPayload refuses what cannot be a record, so that a broken
	// length does not ask for gigabytes.
	maxMetadataPayload = 1 << 20
	// rewriteSlack is how many superseded records are not worth a rewrite.
	rewriteSlack = 1000
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn marks the end of what can be read of a metadata log.
var errTorn = errors.New("torn or corrupt record")

// metadataLog keeps type, help and unit by metric family.
type metadataLog struct {
	path  string
	max   int
	fsync func(*os.File) error

	mu       sync.RWMutex
	families map[string]metadata.Metadata
	file     *os.File
	records  int   // in the file
	size     int64 // of the file's whole records
	dirty    bool  // written to since the last sync
	behind   bool  // a write failed, so families holds more than the file
}

// openMetadata reads the log of the folder, starting one where there is none.
func openMetadata(dir string, limit int, fsync func(*os.File) error, log *slog.Logger) (*metadataLog, error) {
	m := &metadataLog{path: filepath.Join(dir, metadataFile), max: limit, fsync: fsync, families: map[string]metadata.Metadata{}}
	data, err := os.ReadFile(m.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, m.rewrite()
	case err != nil:
		return nil, fmt.Errorf("read metric metadata: %w", err)
	}
	good, err := m.replay(data)
	if errors.Is(err, errTorn) {
		log.Warn("metric metadata cut at its last whole record",
			"file", m.path, "offset", good, "dropped_bytes", int64(len(data))-good)
		return m, m.rewrite()
	}
	if err != nil {
		return nil, err
	}
	if m.file, err = os.OpenFile(m.path, os.O_WRONLY|os.O_APPEND, 0o666); err != nil {
		return nil, fmt.Errorf("open metric metadata: %w", err)
	}
	m.size = good
	return m, nil
}

// replay fills families from data and returns how many bytes of it are whole.
func (m *metadataLog) replay(data []byte) (good int64, err error) {
	head := len(metadataMagic) + 1
	if len(data) < head {
		return 0, errTorn // a crash while the file was new
	}
	if string(data[:len(metadataMagic)]) != metadataMagic {
		return 0, fmt.Errorf("read metric metadata %s: want a file that starts with %q", m.path, metadataMagic)
	}
	if v := data[head-1]; v != metadataVersion {
		return 0, fmt.Errorf("read metric metadata %s: want version %d, got %d; it was written by another release", m.path, metadataVersion, v)
	}
	rest := data[head:]
	for len(rest) > 0 {
		family, md, n, err := decodeMetadata(rest)
		if err != nil {
			return int64(len(data) - len(rest)), err
		}
		m.families[family] = md
		m.records++
		rest = rest[n:]
	}
	return int64(len(data)), nil
}

// lookup returns the metadata of a family, or of all for "".
func (m *metadataLog) lookup(family string) map[string]metadata.Metadata {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if family == "" {
		return maps.Clone(m.families)
	}
	if md, ok := m.families[family]; ok {
		return map[string]metadata.Metadata{family: md}
	}
	return map[string]metadata.Metadata{}
}

// changed reports whether md would change what is known of the family.
func (m *metadataLog) changed(family string, md metadata.Metadata) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	old, ok := m.families[family]
	if !ok {
		return len(m.families) < m.max
	}
	return old != md
}

// write appends the changes to the log. They are durable after sync.
func (m *metadataLog) write(changes map[string]metadata.Metadata) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var buf []byte
	n := 0
	for family, md := range changes {
		old, known := m.families[family]
		if known && old == md || !known && len(m.families) >= m.max {
			continue
		}
		m.families[family] = md
		buf = appendMetadata(buf, family, md)
		n++
	}
	if n == 0 && !m.behind {
		return nil
	}
	if m.behind || m.records+n > 2*len(m.families)+rewriteSlack {
		return m.rewrite()
	}
	if _, err := m.file.Write(buf); err != nil {
		// Cut what was written of it: a torn record would hide later ones.
		m.behind = true
		return errors.Join(fmt.Errorf("write metric metadata: %w", err), m.file.Truncate(m.size))
	}
	m.size += int64(len(buf))
	m.records += n
	m.dirty = true
	return nil
}

// rewrite replaces the file by one with a record per family.
func (m *metadataLog) rewrite() error {
	buf := append([]byte(metadataMagic), metadataVersion)
	for family, md := range m.families {
		buf = appendMetadata(buf, family, md)
	}
	f, err := os.CreateTemp(filepath.Dir(m.path), metadataFile+".tmp-for-rename-*")
	if err != nil {
		return fmt.Errorf("rewrite metric metadata: %w", err)
	}
	_, err = f.Write(buf)
	if err == nil {
		err = m.fsync(f)
	}
	if err == nil {
		err = os.Rename(f.Name(), m.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(m.path), m.fsync)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return fmt.Errorf("rewrite metric metadata: %w", err)
	}
	if m.file != nil {
		_ = m.file.Close() // its content is superseded
	}
	m.file, m.records, m.size = f, len(m.families), int64(len(buf))
	m.dirty, m.behind = false, false
	return nil
}

// sync makes what was written durable.
func (m *metadataLog) sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirty {
		return nil
	}
	if err := m.fsync(m.file); err != nil {
		return fmt.Errorf("fsync metric metadata: %w", err)
	}
	m.dirty = false
	return nil
}

func (m *metadataLog) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.file.Close()
}

func appendMetadata(buf []byte, family string, md metadata.Metadata) []byte {
	var p []byte
	for _, s := range []string{family, string(md.Type), md.Unit, md.Help} {
		p = binary.AppendUvarint(p, uint64(len(s)))
		p = append(p, s...)
	}
	buf = binary.AppendUvarint(buf, uint64(len(p)))
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(p, castagnoli))
	return append(buf, p...)
}

// decodeMetadata reads the record at the beginning of data and says how many
// bytes it takes.
func decodeMetadata(data []byte) (family string, md metadata.Metadata, n int, err error) {
	size, k := binary.Uvarint(data)
	if k <= 0 || size > maxMetadataPayload || uint64(len(data)-k) < 4+size {
		return "", md, 0, errTorn
	}
	sum := binary.LittleEndian.Uint32(data[k:])
	p := data[k+4 : k+4+int(size)]
	if crc32.Checksum(p, castagnoli) != sum {
		return "", md, 0, errTorn
	}
	var field [4]string
	for i := range field {
		size, k := binary.Uvarint(p)
		if k <= 0 || uint64(len(p)-k) < size {
			return "", md, 0, errTorn
		}
		field[i] = string(bytes.Clone(p[k : k+int(size)]))
		p = p[k+int(size):]
	}
	if len(p) != 0 {
		return "", md, 0, errTorn
	}
	md = metadata.Metadata{Type: model.MetricType(field[1]), Unit: field[2], Help: field[3]}
	return field[0], md, len(data) - len(data[k:]) + 4 + int(size), nil
}
