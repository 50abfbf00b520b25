package breadth

import "testing"

func TestBreadth(t *testing.T) {
	for regex, anything := range map[string]bool{
		".*": true, ".+": true, ".": false, "a|.*": true, "[^x]+": true, "x": false, "a": false, "(": false, "(?s).+": true,
	} {
		b := Breadth{}
		b.Value("c", regex, true)
		if got := b.Broad() != ""; got != anything {
			t.Errorf("%q: %v", regex, got)
		}
	}
	b := Breadth{}
	if b.Broad() == "" {
		t.Error("no condition at all is not broad")
	}
	b.Narrow()
	if why := b.Broad(); why != "" {
		t.Error(why)
	}
	b.Value(`a=""`, "", false)
	b.Value(`b=""`, "", true)
	if why := b.Broad(); why != `a="" compares with nothing, and so selects what does not have it` {
		t.Error(why)
	}
}
