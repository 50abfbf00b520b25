package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/clewhq/clew/internal/framing"
)

// Magic starts every file.
var Magic = [4]byte{'C', 'W', 'A', 'L'}

// Type says what a record holds. The numbers stand in files.
type Type uint8

// The types of records.
const (
	Logs   Type = 1 // an ExportLogsServiceRequest
	Traces Type = 2 // an ExportTraceServiceRequest
	Hashes Type = 3 // the requests acknowledged before this file, see dedup
	// synced says that all before it in the file was synced. Replay keeps it to
	// itself.
	synced Type = 4
	// Samples is a WriteRequest of remote write in a block of Snappy.
	Samples Type = 5
)

// recordVersion is the layout of a record's payload.
const recordVersion = 1

// Record is one entry.
type Record struct {
	Type     Type
	Received int64 // when it arrived, Unix nanoseconds
	Tenant   string
	Data     []byte
}

// Position is a place between two records. Positions are ordered.
type Position struct {
	Seq    uint64
	Offset int64
}

// Less reports whether p is before o.
func (p Position) Less(o Position) bool {
	return p.Seq < o.Seq || p.Seq == o.Seq && p.Offset < o.Offset
}

// String returns file and offset.
func (p Position) String() string { return fmt.Sprintf("%s:%d", FileName(p.Seq), p.Offset) }

// prefix returns the bytes of a record that stand before its data.
func (r *Record) prefix(dst []byte) []byte {
	dst = append(dst, byte(r.Type), recordVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Received))
	dst = append(dst, byte(len(r.Tenant)))
	return append(dst, r.Tenant...)
}

// prefixSize is the fixed part of prefix.
const prefixSize = 11

// maxTenant is what fits the length byte.
const maxTenant = 255

func (r *Record) size() int64 {
	return framing.RecordHeaderSize + prefixSize + int64(len(r.Tenant)) + int64(len(r.Data))
}

var errRecord = errors.New("not a readable record")

func parseRecord(b []byte) (Record, error) {
	if len(b) < prefixSize {
		return Record{}, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	if b[1] != recordVersion {
		return Record{}, fmt.Errorf("%w: version %d, this one reads %d", framing.ErrVersion, b[1], recordVersion)
	}
	n := int(b[10])
	if len(b) < prefixSize+n {
		return Record{}, fmt.Errorf("%w: tenant of %d bytes in %d", errRecord, n, len(b))
	}
	return Record{
		Type:     Type(b[0]),
		Received: int64(binary.LittleEndian.Uint64(b[2:])),
		Tenant:   string(b[prefixSize : prefixSize+n]),
		Data:     b[prefixSize+n:],
	}, nil
}

const fileSuffix = ".wal"

// FileName is the name of the file with this number.
func FileName(seq uint64) string { return fmt.Sprintf("%016d%s", seq, fileSuffix) }

// parseFileName reports false for anything that is not a file of the log.
func parseFileName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, fileSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil
}
