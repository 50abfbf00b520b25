package object

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Bucket is object storage. Keys are relative to what it was configured with,
// with slashes. It is safe for concurrent use.
type Bucket interface {
	// String names it in messages, such as s3://logs/clew.
	String() string
	// Put stores an object, whole or not at all, and replaces one that has the
	// key.
	Put(ctx context.Context, key string, r io.ReaderAt, size int64) error
	// Create stores a small object where there is none, else it is ErrExists.
	// Not every server can tell: read it back.
	Create(ctx context.Context, key string, data []byte) error
	// ReadAt fills p from an object. ErrNotFound is that there is none,
	// ErrShort that it ends too early.
	ReadAt(ctx context.Context, key string, p []byte, off int64) error
	// Get returns an object of at most limit bytes.
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	// Delete removes an object; that there is none is no error.
	Delete(ctx context.Context, key string) error
	// List calls each for every object whose key begins with a prefix, in no
	// order.
	List(ctx context.Context, prefix string, each func(Info) error) error
	// Close gives connections up.
	Close() error
}

// Info is what a list says of an object.
type Info struct {
	Key  string
	Size int64
}

// What is wrong with an object, or with its storage.
var (
	// ErrNotFound and ErrShort are about one object, and another try does not
	// help: it is damaged.
	ErrNotFound = errors.New("the object is missing")
	ErrShort    = errors.New("the object is shorter than it should be")
	// ErrExists is what Create says.
	ErrExists = errors.New("there is an object of this name")
	// ErrRefused is that the configuration is wrong: credentials, rights, or
	// the name of the bucket.
	ErrRefused = errors.New("object storage refuses")
	// ErrUnavailable is wrapped by every error that says nothing about the
	// object: it may be whole. ErrRefused is one of those, too.
	ErrUnavailable = errors.New("object storage is not available")
)

// UnavailableError says what could not be done, and why.
type UnavailableError struct {
	Bucket string
	Err    error
}

// Error implements error.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("object storage %s is not available: %v", e.Bucket, e.Err)
}

// Unwrap returns the cause and ErrUnavailable.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// aboutObject reports whether an error is an answer about an object: the
// storage itself is well.
func aboutObject(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrShort) || errors.Is(err, ErrExists)
}
