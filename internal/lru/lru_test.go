package lru

import (
	"fmt"
	"testing"
)

func TestCache(t *testing.T) {
	c := New[int](160)
	for i := range 20 {
		c.Put(fmt.Sprint(i), i, 10)
		if i >= 4 {
			if v, ok := c.Get("0"); !ok || v != 0 {
				t.Fatalf("after %d: what is used goes on being kept, got %d, %v", i, v, ok)
			}
		}
	}
	for key, want := range map[string]bool{"0": true, "1": false, "4": false, "5": true, "19": true, "20": false} {
		if _, ok := c.Get(key); ok != want {
			t.Errorf("%s is kept: %v, want %v", key, ok, want)
		}
	}
	c.Put("19", 7, 10)
	if v, _ := c.Get("19"); v != 7 || c.bytes != 160 || c.used.Len() != 16 {
		t.Errorf("put again: %d, %d bytes, %d values", v, c.bytes, c.used.Len())
	}
	c.Put("big", 1, 11)
	if _, ok := c.Get("big"); ok {
		t.Error("a value that is too big is kept")
	}
	none := New[int](0)
	none.Put("x", 1, 1)
	if _, ok := none.Get("x"); ok || none.On() || !c.On() {
		t.Error("a cache of no bytes keeps something")
	}
}
