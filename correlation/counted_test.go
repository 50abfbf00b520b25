package correlation

import "testing"

func TestIsCounted(t *testing.T) {
	for id, want := range map[string]bool{
		"17": true, "1042": true, "req-1": true, "req-1z": true, "req-3f2a": true, "REQ_99999": true, "c1": true, "12345678901": true, "": true,
		"123456789012": false, "req-8f3a2b": false, "req-100234": false, "6f1a6f2e3b0c4a9d9b770f4a5f0c9e11": false,
		"F9x2mQ3vK7rT1cYAAABh": false, "0HMVD9F3J2K1L:00000001": false, "a1b2c3": false, "4bf92f3577b3-1": false,
	} {
		if got := IsCounted(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
