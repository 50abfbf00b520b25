package framing

import (
	"bytes"
	"errors"
	"fmt"
)

// Only returns the payload of a file that is a header and one record, no more.
func Only(b []byte, magic [4]byte) ([]byte, error) {
	h, err := ParseHeader(b, magic)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(h.Append(nil), b[:HeaderSize]) {
		return nil, errors.New("a part of its header that means nothing is not zero")
	}
	r := NewReader(bytes.NewReader(b), h.Salt, HeaderSize, int64(len(b)), uint64(len(b)))
	payload, _, err := r.Next()
	if err != nil {
		return nil, err
	}
	if r.Offset() != int64(len(b)) {
		return nil, fmt.Errorf("%d bytes behind its end", int64(len(b))-r.Offset())
	}
	return payload, nil
}
