package object

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// OwnerKey is the object that says which store the others belong to. Two
// stores in one place would take each other's objects for leftovers.
const OwnerKey = "clew-owner.json"

// Owner is the content of that object.
type Owner struct {
	// Store is the ID of the store's directory.
	Store string `json:"store"`
	// Instance is the process that uses it: a copy of the directory has the
	// same ID.
	Instance string `json:"instance"`
	// Since is when the process took it.
	Since time.Time `json:"since"`
	// Note is for whoever finds the object.
	Note string `json:"note"`
}

const ownerNote = "The objects beside this one belong to a clew server. They are good only together with its data directory."

// ErrNotOwner is that the place belongs to another store.
var ErrNotOwner = errors.New("object storage belongs to another store")

// maxOwner bounds what is read of it.
const maxOwner = 64 * kib

// Claim makes the place this store's own, or says whose it is. Where the store
// has objects there already, a place without an owner is the wrong one.
func Claim(ctx context.Context, b Bucket, me Owner, hasObjects bool) error {
	was, err := readOwner(ctx, b)
	switch {
	case errors.Is(err, ErrNotFound) && hasObjects:
		return fmt.Errorf("%w: %s has no %s, so it is not where this store's objects are: check its address, bucket and prefix", ErrNotOwner, b, OwnerKey)
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	case err == nil && was.Store != me.Store:
		return notMine(b, was)
	}
	me.Note = ownerNote
	data, merr := json.MarshalIndent(me, "", "  ")
	if merr != nil {
		return fmt.Errorf("write the owner: %w", merr)
	}
	if errors.Is(err, ErrNotFound) {
		if err := b.Create(ctx, OwnerKey, data); err != nil && !errors.Is(err, ErrExists) {
			return err
		}
		// Two may have been at it; not every server lets one of them win, but
		// the content is one's.
		if was, err = readOwner(ctx, b); err != nil {
			return err
		}
		if was.Store != me.Store {
			return notMine(b, was)
		}
		return nil
	}
	return b.Put(ctx, OwnerKey, newBytes(data), int64(len(data)))
}

// Holds says whether the place is still this process's: an error where another
// one took it.
func Holds(ctx context.Context, b Bucket, me Owner) error {
	was, err := readOwner(ctx, b)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: %s has no %s any more", ErrNotOwner, b, OwnerKey)
	}
	if err != nil {
		return err
	}
	if was.Store != me.Store {
		return notMine(b, was)
	}
	if was.Instance != me.Instance {
		return fmt.Errorf("%w: a process that began at %s uses %s with a copy of this store's directory: stop one of the two", ErrNotOwner, was.Since.Format(time.RFC3339), b)
	}
	return nil
}

// Owned says whether a place belongs to a store, nil for it does.
func Owned(ctx context.Context, b Bucket, store string) error {
	was, err := readOwner(ctx, b)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: %s has no %s, so it is not where this store's objects are: check its address, bucket and prefix", ErrNotOwner, b, OwnerKey)
	}
	if err == nil && was.Store != store {
		return notMine(b, was)
	}
	return err
}

func notMine(b Bucket, was Owner) error {
	return fmt.Errorf("%w: %s was taken by store %s at %s: give each store a prefix, bucket or directory of its own, or, if that store is gone for good, delete its objects with %s",
		ErrNotOwner, b, was.Store, was.Since.Format(time.RFC3339), OwnerKey)
}

func readOwner(ctx context.Context, b Bucket) (Owner, error) {
	data, err := b.Get(ctx, OwnerKey, maxOwner)
	if err != nil {
		return Owner{}, err
	}
	var o Owner
	if err := json.Unmarshal(data, &o); err != nil || o.Store == "" {
		return Owner{}, fmt.Errorf("%w: %s in %s does not say whose it is: look what it is, and delete it if nobody needs it", ErrNotOwner, OwnerKey, b)
	}
	return o, nil
}
