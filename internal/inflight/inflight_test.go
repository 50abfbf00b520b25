package inflight

import "testing"

func TestCount(t *testing.T) {
	var c Count
	outer, ok := c.Enter()
	if !ok {
		t.Fatal("an open store refuses a call")
	}
	inner, ok := c.Enter()
	if !ok {
		t.Fatal("a call within a call is refused")
	}
	closed := make(chan bool)
	go func() { closed <- c.Close() }()
	inner()
	select {
	case <-closed:
		t.Fatal("closed while a call was under way")
	default:
	}
	outer()
	if !<-closed {
		t.Error("the first Close says that it is not")
	}
	if _, ok := c.Enter(); ok || c.Close() {
		t.Error("a closed store is entered, or closed again")
	}
}
