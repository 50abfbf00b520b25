package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/clewhq/clew/internal/framing"
)

// Requests are what is remembered of the requests before a place in the log, as
// in a record of type Hashes. They are kept in a file of their own where files
// that know them are released and none was begun since.
type Requests struct {
	Before Position
	List   []byte
}

// requestsName is the name of that file, in the log's directory.
const requestsName = "requests"

var requestsMagic = [4]byte{'C', 'R', 'E', 'Q'}

const (
	requestsVersion = 1
	// requestsPrefix is version, file number and offset.
	requestsPrefix = 1 + 8 + 8
	// maxRequests bounds the file: ten million requests.
	maxRequests = 256 << 20
)

// KeepRequests writes the file, in the place of an older one, so that a crash
// leaves either.
func KeepRequests(fs vfs.FS, dir string, salt uint64, r Requests) error {
	b := framing.Header{Magic: requestsMagic, Salt: salt, PrevLength: framing.UnknownLength}.Append(nil)
	head := binary.LittleEndian.AppendUint64([]byte{requestsVersion}, r.Before.Seq)
	head = binary.LittleEndian.AppendUint64(head, uint64(r.Before.Offset))
	b = framing.AppendRecord(b, salt, framing.HeaderSize, head, r.List)
	if err := ReplaceFile(fs, fs.PathJoin(dir, requestsName), b); err != nil {
		return fmt.Errorf("keep what is remembered of requests: %w", err)
	}
	return nil
}

// KeptRequests returns what the file says, nil where there is none. Damage is a
// *CorruptionError, unless another version wrote it.
func KeptRequests(files vfs.FS, dir string) (*Requests, error) {
	f, err := files.Open(files.PathJoin(dir, requestsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is remembered of requests: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxRequests))
	if err != nil {
		return nil, fmt.Errorf("read what is remembered of requests: %w", err)
	}
	payload, err := framing.Only(b, requestsMagic)
	if err == nil && len(payload) < requestsPrefix {
		err = fmt.Errorf("%w: %d bytes", errRecord, len(payload))
	}
	if err == nil && payload[0] != requestsVersion {
		err = fmt.Errorf("%w: version %d, this one reads %d", framing.ErrVersion, payload[0], requestsVersion)
	}
	if err != nil {
		return nil, &CorruptionError{Dir: dir, Segment: requestsName, Err: err}
	}
	before := Position{Seq: binary.LittleEndian.Uint64(payload[1:]), Offset: int64(binary.LittleEndian.Uint64(payload[9:]))}
	return &Requests{Before: before, List: payload[requestsPrefix:]}, nil
}

// DropRequests removes the file, and what a crash left of one.
func DropRequests(files vfs.FS, dir string) error {
	for _, name := range []string{requestsName, requestsName + newSuffix} {
		if err := files.Remove(files.PathJoin(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what was remembered of requests: %w", err)
		}
	}
	return nil
}
